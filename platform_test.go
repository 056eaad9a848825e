package jettison_test

import (
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
)

// platform parses os/architecture/variant.
func platform(text string) ocispec.Platform {
	parts := append(strings.Split(text, "/"), "", "")
	return ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

// R8. The answers are those that github.com/containerd/platforms v1.0.0-rc.1
// gives as Docker uses it: its Only, or a variant that is missing on the image.
func TestMatchPlatform(t *testing.T) {
	for _, c := range []struct {
		want, have string
		match      bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"linux/amd64", "linux/arm64", false},
		{"linux/amd64", "windows/amd64", false},
		{"linux/386", "linux/amd64", false},
		{"linux/amd64", "linux/386", true},
		{"linux/amd64/v2", "linux/386", true},

		// An older ARM serves a newer one, never the other way round.
		{"linux/arm/v8", "linux/arm/v7", true},
		{"linux/arm/v7", "linux/arm/v8", false},
		{"linux/arm/v6", "linux/arm/v7", false},
		{"linux/arm", "linux/arm/v6", true},
		{"linux/arm", "linux/arm/v8", false},
		{"linux/arm64", "linux/arm/v7", true},
		{"linux/arm64", "linux/arm/v8", true},
		{"linux/arm64/v9", "linux/arm/v7", true},
		{"linux/arm64/v9", "linux/arm64/v8", true},
		{"linux/arm64/v8.2", "linux/arm64/v8.1", true},
		{"linux/arm64/v8", "linux/arm64/v9", false},
		{"linux/arm/v7", "linux/arm64", false},

		// A higher amd64 level runs what was built for a lower one.
		{"linux/amd64/v3", "linux/amd64/v2", true},
		{"linux/amd64/v2", "linux/amd64/v3", false},
		{"linux/amd64", "linux/amd64/v2", false},

		// A variant missing on the image is accepted.
		{"linux/arm/v5", "linux/arm", true},
		{"linux/arm64/v8.5", "linux/arm64", true},
		{"linux/riscv64/rva22", "linux/riscv64", true},
		{"linux/riscv64", "linux/riscv64/rva22", false},
		{"linux/ppc64le/power9", "linux/ppc64le/power8", false},

		// Names are normalized first.
		{"LINUX/AMD64", "linux/amd64", true},
		{"linux/x86_64", "linux/amd64", true},
		{"linux/x86-64", "linux/amd64/v1", true},
		{"linux/aarch64", "linux/arm64", true},
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/arm64/8", "linux/arm64", true},
		{"linux/armhf", "linux/arm/v7", true},
		{"linux/armel", "linux/arm/v6", true},
		{"linux/armel", "linux/arm/v7", false},
		{"linux/arm/7", "linux/arm/v7", true},
		{"linux/i386", "linux/386", true},
		{"macos/arm64", "darwin/arm64", true},
	} {
		if got := jettison.MatchPlatform(platform(c.want), platform(c.have)); got != c.match {
			t.Errorf("MatchPlatform(want %s, have %s) = %t, want %t", c.want, c.have, got, c.match)
		}
	}
}
