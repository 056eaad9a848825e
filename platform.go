package jettison

import (
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
	return missing || want.Variant == have.Variant || variantServes(want.Architecture, want.Variant, have.Variant)
}

// variantServes reports whether an image of variant have runs on variant want
// of the same architecture.
func variantServes(architecture, want, have string) bool {
	w, okWant := parseVariant(want)
	h, okHave := parseVariant(have)
	if !okWant || !okHave {
		return false
	}
	switch architecture {
	case "arm":
		return h.major >= 5 && h.major <= w.major
	case "amd64":
		return h.major <= w.major
	case "arm64":
		return h.major <= w.major && h.level() <= w.level()
	default:
		return false
	}
}

// A variant is one of the form v7 or v8.2.
type variant struct{ major, minor int }

func parseVariant(text string) (variant, bool) {
	major, minor, dotted := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	var v variant
	var err error
	if v.major, err = strconv.Atoi(major); err == nil && dotted {
		v.minor, err = strconv.Atoi(minor)
	}
	return v, err == nil
}

// level puts the versions of arm64 in one line: v9.0 has all that v8.5 has.
func (v variant) level() int {
	if v.major == 9 {
		return v.minor + 5
	}
	return v.minor
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
	case "i386":
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
