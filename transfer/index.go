package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/platform"
)

// addIndex takes an index as one image, with all that the archive has of it.
func (l *loader) addIndex(ctx context.Context, desc ocispec.Descriptor) (*image, error) {
	if old := l.find(desc.Digest); old != nil {
		return old, nil
	}
	img := &image{id: desc.Digest, index: &index{}}
	at := walk{by: ocispec.ImageIndexFile, seen: make(map[digest.Digest]bool)}
	if err := l.gather(ctx, img.index, desc, at); err != nil {
		return nil, err
	}
	if len(img.index.parts) == 0 {
		return nil, l.wrap(blobName(desc.Digest), errors.New("of all that the index lists, nothing is in the archive"))
	}
	l.images = append(l.images, img)
	return img, nil
}

// gather reads an index, the indexes in it and the manifests that they list,
// each once.
func (l *loader) gather(ctx context.Context, into *index, desc ocispec.Descriptor, at walk) error {
	if at.seen[desc.Digest] {
		return nil
	}
	at.seen[desc.Digest] = true
	kind := types.MediaType(desc.MediaType)
	switch outermost := at.depth == 0; {
	case !kind.IsIndex() && !kind.IsImage():
		l.skip(desc.Digest, "", fmt.Sprintf("media type %q is neither an image nor an index", desc.MediaType))
		return nil
	case !outermost && !has(l.src, blobName(desc.Digest)):
		l.skipLacking(desc, "the archive does not have it")
		return nil
	case kind.IsImage():
		return l.gatherManifest(ctx, into, desc)
	}
	if at.depth++; at.depth > imagestore.MaxNesting {
		return l.wrap(at.by, fmt.Errorf("more than %d indexes lie in each other", imagestore.MaxNesting))
	}
	data, err := l.readBlob(ctx, desc, maxManifest, at.by)
	if err != nil {
		return err
	}
	entry := blobName(desc.Digest)
	document, err := l.decodeIndex(entry, data, desc.MediaType)
	if err != nil {
		return err
	}
	into.documents = append(into.documents, imagestore.Document{Digest: desc.Digest, Data: data})
	at.by = entry
	for _, inner := range document.Manifests {
		if err := l.gather(ctx, into, inner, at); err != nil {
			return err
		}
	}
	return nil
}

// gatherManifest reads a manifest of an index, if the archive has all of it.
func (l *loader) gatherManifest(ctx context.Context, into *index, desc ocispec.Descriptor) error {
	manifest, data, err := l.readManifest(ctx, desc)
	if err != nil {
		return err
	}
	embedded := notImage(manifest) != "" // what is no image may have its blobs in its manifest
	for _, needed := range append(slices.Clip(manifest.Layers), manifest.Config) {
		if !has(l.src, blobName(needed.Digest)) && (needed.Data == nil || !embedded) {
			l.skipLacking(desc, "the archive does not have all of it")
			return nil
		}
	}
	part, err := l.imageFrom(ctx, blob{blobName(desc.Digest), desc, data}, manifest)
	if err != nil {
		return err
	}
	into.parts = append(into.parts, part)
	if part.artifact == nil && !isAttestation(desc) {
		platform := part.config.Platform
		if desc.Platform != nil {
			platform = *desc.Platform
		}
		into.platforms = append(into.platforms, platform)
	}
	return nil
}

// skipLacking says what of an index is listed only.
func (l *loader) skipLacking(desc ocispec.Descriptor, reason string) {
	name := ""
	if desc.Platform != nil {
		name = platform.Format(*desc.Platform)
	}
	l.skip(desc.Digest, name, "listed by an index; "+reason)
}
