package podman

import (
	"github.com/distribution/reference"
)

// isReference reports whether a name in the store is a reference in its full form,
// with a tag or with a digest. Any other text can be a name there, too.
func isReference(name string) bool {
	ref, err := parseReference(name)
	return err == nil && ref.String() == name
}

// parseReference reads a name of the store.
func parseReference(name string) (reference.Named, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	if canonical, ok := ref.(reference.Canonical); ok {
		return reference.WithDigest(reference.TrimNamed(ref), canonical.Digest())
	}
	return reference.TagNameOnly(ref), nil
}
