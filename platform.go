package jettison

import (
	"path"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A PlatformMatcher reports whether an image of platform have serves someone
// who asked for platform want.
type PlatformMatcher func(want, have ocispec.Platform) bool

// MatchPlatform is the default [PlatformMatcher]. Operating system and
// architecture must be equal after normalization (x86_64 is amd64, aarch64 is
// arm64). An older ARM variant serves a newer one, so an arm/v7 image serves
// arm/v8 and arm64; a lower amd64 level serves a higher one, and 386 serves
// amd64. A variant missing on the image is accepted (rule R8).
func MatchPlatform(want, have ocispec.Platform) bool {
	missing := have.Variant == ""
	want, have = normalizePlatform(want), normalizePlatform(have)
	if want.OS != have.OS {
		return false
	}
	if want.Architecture == "arm64" && have.Architecture == "arm" {
		want = ocispec.Platform{OS: want.OS, Architecture: "arm", Variant: "v8"}
	}
	if want.Architecture == "amd64" && have.Architecture == "386" {
		return true
	}
	if want.Architecture != have.Architecture {
		return false
	}
	return missing || want.Variant == have.Variant || variantServes(want.Variant, have.Variant)
}

// variantServes reports whether variant have, of the form v7, v8 or v8.1, is
// not newer than want.
func variantServes(want, have string) bool {
	w, errWant := strconv.ParseFloat(strings.TrimPrefix(want, "v"), 64)
	h, errHave := strconv.ParseFloat(strings.TrimPrefix(have, "v"), 64)
	return errWant == nil && errHave == nil && h <= w
}

// normalizePlatform writes a platform in the one form that Go uses, with the
// variant that an architecture has by default.
func normalizePlatform(p ocispec.Platform) ocispec.Platform {
	p.OS = strings.ToLower(p.OS)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	p.Architecture, p.Variant = strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch p.Architecture {
	case "i386", "i486", "i586", "i686":
		p.Architecture, p.Variant = "386", ""
	case "x86_64", "x86-64", "amd64":
		p.Architecture = "amd64"
		if p.Variant == "" {
			p.Variant = "v1"
		}
	case "aarch64", "arm64":
		p.Architecture = "arm64"
		if p.Variant == "" || p.Variant == "8" {
			p.Variant = "v8"
		}
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	case "arm":
		if p.Variant == "" {
			p.Variant = "v7"
		} else if !strings.HasPrefix(p.Variant, "v") {
			p.Variant = "v" + p.Variant
		}
	}
	return p
}

// formatPlatform writes a platform as os(version)/architecture/variant, with
// the parts that it has.
func formatPlatform(p ocispec.Platform) string {
	if p.OS == "" {
		return "unknown"
	}
	system := p.OS
	if p.OSVersion != "" {
		system += "(" + p.OSVersion + ")"
	}
	return path.Join(system, p.Architecture, p.Variant)
}
