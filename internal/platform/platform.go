// Package platform writes platforms for people.
package platform

import (
	"path"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Format writes a platform as os(version)/architecture/variant, with the parts
// that it has; "unknown" for one without an operating system.
func Format(p ocispec.Platform) string {
	if p.OS == "" {
		return "unknown"
	}
	system := p.OS
	if p.OSVersion != "" {
		system += "(" + p.OSVersion + ")"
	}
	return path.Join(system, p.Architecture, p.Variant)
}
