package compare_test

import (
	"testing"

	"github.com/containerd/platforms"
	"github.com/docker/docker/daemon/images"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
)

// TestPlatforms compares the default matcher with Docker's, each platform with
// each (rule R8).
func TestPlatforms(t *testing.T) {
	all := allPlatforms()
	for _, want := range all {
		docker := images.OnlyPlatformWithFallback(want)
		for _, have := range all {
			if got := jettison.MatchPlatform(want, have); got != docker.Match(have) {
				t.Errorf("asked for %s, image of %s: got %t, Docker's matcher says %t",
					platforms.FormatAll(want), platforms.FormatAll(have), got, !got)
			}
		}
	}
}

func allPlatforms() []ocispec.Platform {
	variants := map[string][]string{
		"amd64": {"", "v1", "v2", "v3"}, "x86_64": {"", "v2"}, "386": {""}, "i386": {""},
		"arm": {"", "v5", "v6", "v7", "v8", "7"}, "armhf": {""}, "armel": {""},
		"arm64": {"", "v8", "8", "v8.1", "v9", "v9.1"}, "aarch64": {"", "v8"},
		"s390x": {""}, "ppc64le": {"", "power9"}, "riscv64": {""},
	}
	var all []ocispec.Platform
	for _, os := range []string{"linux", "Linux", "windows", "darwin", "macos"} {
		for architecture, of := range variants {
			for _, variant := range of {
				all = append(all, ocispec.Platform{OS: os, Architecture: architecture, Variant: variant})
			}
		}
	}
	return all
}
