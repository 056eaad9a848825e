package transfer

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A nameList has names in the order in which they came, each once. An image may
// have as many as an archive can list. The zero value is empty.
type nameList struct {
	all []reference.Named
	has map[string]bool
}

// listOf makes a list of names.
func listOf(names []reference.Named) nameList {
	var l nameList
	l.add(names...)
	return l
}

func (l *nameList) add(names ...reference.Named) {
	if l.has == nil {
		l.has = make(map[string]bool)
	}
	for _, name := range names {
		if text := name.String(); !l.has[text] {
			l.has[text] = true
			l.all = append(l.all, name)
		}
	}
}

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
		if name := l.opts.fullName(text); name != nil {
			img.names.add(name)
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
func (o LoadOptions) fullName(text string) reference.Named {
	if !strings.ContainsAny(text, "/:") {
		return nil
	}
	name, err := o.parseTag(text)
	if err != nil || strings.HasPrefix(text, "sha256:") {
		return nil
	}
	return name
}

// parseTag understands the name of a repository, with a tag or without, as
// archives have it.
func (o LoadOptions) parseTag(text string) (reference.Named, error) {
	full := text
	if o.Localhost && !hasRegistry(text) {
		full = "localhost/" + text
	}
	name, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return nil, fmt.Errorf("name %q: %w", text, err)
	}
	if _, ok := name.(reference.Canonical); ok {
		return nil, fmt.Errorf("name %q has a digest instead of a tag", text)
	}
	return reference.TagNameOnly(name), nil
}

// hasRegistry reports whether a name begins with the host of a registry, as
// Docker sees it.
func hasRegistry(name string) bool {
	host, _, more := strings.Cut(name, "/")
	return more && (strings.ContainsAny(host, ".:") || host == "localhost" || strings.ToLower(host) != host)
}
