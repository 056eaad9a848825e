package transfer

import (
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// addNames gives img the name that its descriptor in index.json is annotated
// with: containerd's, which is always a full one, else that of the
// specification.
func (l *loader) addNames(img *image, desc ocispec.Descriptor) {
	var unusable string
	for _, key := range []string{containerdNameAnnotation, ocispec.AnnotationRefName} {
		text := desc.Annotations[key]
		if text == "" {
			continue
		}
		if name := fullName(text); name != nil {
			img.addName(name)
			return
		}
		unusable = text
	}
	if unusable != "" {
		l.skip(img.id, unusable, "not the full name of a repository with a tag")
	}
}

// fullName understands an annotation that names a repository, with a tag or
// without. It is nil for anything else. The specification lets tools write a
// mere tag, and many do; nothing tells it from the name of a repository, so a
// single word is no name.
func fullName(text string) reference.Named {
	if !strings.ContainsAny(text, "/:") {
		return nil
	}
	name, err := parseTag(text)
	if err != nil || reference.FamiliarName(name) == "sha256" {
		return nil
	}
	return name
}
