package ocilayout

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
)

// annotationImageName is the annotation in which containerd and BuildKit write
// the full name of an image.
const annotationImageName = "io.containerd.image.name"

// OwnRepository is the repository of the names that are no more than a tag:
// "latest" in a layout is the reference "localhost/layout:latest".
const OwnRepository = "localhost/layout"

var bareTag = regexp.MustCompile(`^` + reference.TagRegexp.String() + `$`)

// nameOf returns the text by which a descriptor is called, or nothing: the full
// name if there is one, or else what the OCI image specification calls
// "org.opencontainers.image.ref.name".
func nameOf(annotations map[string]string) string {
	if name := annotations[annotationImageName]; name != "" {
		return name
	}
	return annotations[ocispec.AnnotationRefName]
}

// parseName returns the reference that a name in a layout means: a tag alone is
// one of the layout's own repository; anything else is a normalized name with a
// tag or a digest.
func parseName(name string) (reference.Named, error) {
	if bareTag.MatchString(name) {
		own, err := reference.ParseNamed(OwnRepository)
		if err != nil {
			return nil, err
		}
		return reference.WithTag(own, name)
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	if _, err := digest.Parse(name); err == nil {
		return nil, errors.New("it is a digest")
	}
	return normal(named)
}

// normal returns the reference with a tag or with a digest, never with both.
func normal(named reference.Named) (reference.Named, error) {
	if canonical, ok := named.(reference.Canonical); ok {
		return reference.WithDigest(reference.TrimNamed(named), canonical.Digest())
	}
	return reference.TagNameOnly(named), nil
}

// annotate returns the annotations that give a descriptor this name, as the
// tools of the field read them: skopeo and umoci look at the reference name,
// containerd at the image name.
func annotate(ref reference.Named) map[string]string {
	if tag, own := strings.CutPrefix(ref.String(), OwnRepository+":"); own {
		return map[string]string{ocispec.AnnotationRefName: tag}
	}
	return map[string]string{
		ocispec.AnnotationRefName: reference.FamiliarString(ref),
		annotationImageName:       ref.String(),
	}
}
