package platform_test

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/platform"
)

func TestFormat(t *testing.T) {
	for want, p := range map[string]ocispec.Platform{
		"unknown":                     {Architecture: "amd64"},
		"linux":                       {OS: "linux"},
		"linux/arm/v7":                {OS: "linux", Architecture: "arm", Variant: "v7"},
		"windows(10.0.17763.1)/amd64": {OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"},
		"linux/amd64":                 {OS: "linux", Architecture: "amd64", OSFeatures: []string{"sse4"}},
	} {
		if got := platform.Format(p); got != want {
			t.Errorf("%+v: got %q, want %q", p, got, want)
		}
	}
}
