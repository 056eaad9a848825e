package compare

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// A reading is what the text of a call means in a scene. It is worked out here
// once more, apart from both engines.
type reading struct {
	// malformed says that the text is neither an ID nor a name.
	malformed bool
	// full is the ID that the text is, or empty.
	full digest.Digest
	// ref is the name that the text is, as typed, with the tag that a bare
	// name implies; nil for an ID.
	ref reference.Named
	// named is the image that ref names, or empty; lost or not.
	named digest.Digest
	// digits is the number of hex digits of a text that can begin an ID.
	digits int
	// begun are the images whose IDs begin with the text.
	begun []digest.Digest
}

var hexDigits = regexp.MustCompile(`^(?:sha256:)?([0-9a-f]+)$`)

// read works out what text means in the scene.
func read(scene Scene, text string) reading {
	parsed, err := reference.ParseAnyReference(text)
	if err != nil {
		return reading{malformed: true}
	}
	named, ok := parsed.(reference.Named)
	if !ok {
		return reading{full: digest.Digest(parsed.String())}
	}
	r := reading{ref: reference.TagNameOnly(named)}
	for _, a := range scene.References {
		if a.Ref.String() == r.stored().String() {
			r.named = a.ID
		}
	}
	if match := hexDigits.FindStringSubmatch(text); match != nil {
		r.digits = len(match[1])
		r.begun = beginning(scene, match[1])
	}
	return r
}

func beginning(scene Scene, hex string) []digest.Digest {
	var ids []digest.Digest
	for _, img := range scene.Images {
		if !img.Lost && strings.HasPrefix(img.ID.Encoded(), hex) {
			ids = append(ids, img.ID)
		}
	}
	return sortedIDs(ids)
}

// stored is the form in which the reference is kept: with a digest, no tag.
func (r reading) stored() reference.Named {
	canonical, ok := r.ref.(reference.Canonical)
	if !ok {
		return r.ref
	}
	ref, err := reference.WithDigest(reference.TrimNamed(r.ref), canonical.Digest())
	if err != nil {
		return r.ref
	}
	return ref
}

// image is the image that Docker takes the text for, or empty.
func (r reading) image() digest.Digest {
	switch {
	case r.full != "":
		return r.full
	case r.named != "":
		return r.named
	case len(r.begun) == 1:
		return r.begun[0]
	}
	return ""
}

// prefixOnly says that the text can only be the beginning of an ID.
func (r reading) prefixOnly() bool { return r.named == "" && r.digits > 0 }

// beginsID reports whether text is the beginning of id, with or without its
// algorithm: Docker's test for an ID (rule R4).
func beginsID(id digest.Digest, text string) bool {
	return strings.HasPrefix(id.String(), text) || strings.HasPrefix(id.Encoded(), text)
}
