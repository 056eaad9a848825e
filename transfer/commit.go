package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// commit makes the images and their names visible, all together.
func (l *loader) commit(ctx context.Context, in *diskstore.Ingest) (*Report, error) {
	var report *Report
	err := in.Commit(ctx, func(tx *kvstore.Tx) error {
		report = &Report{Skipped: slices.Clone(l.skipped)}
		for _, img := range l.images {
			if err := l.create(ctx, tx, img); err != nil {
				return err
			}
		}
		for _, img := range l.images {
			if err := l.complete(ctx, tx, img, report); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// create makes the record of an image.
func (l *loader) create(ctx context.Context, tx *kvstore.Tx, img *image) error {
	if img.index == nil {
		_, err := tx.CreateImage(ctx, img.spec())
		return l.wrap(img.content[0].entry, err)
	}
	spec := imagestore.IndexSpec{Documents: img.index.documents}
	for _, part := range img.index.parts {
		spec.Manifests = append(spec.Manifests, part.spec())
	}
	_, err := tx.CreateIndex(ctx, spec)
	return l.wrap(blobName(img.id), err)
}

// spec says how to make the record of an image of one platform, or of an
// artifact.
func (img *image) spec() imagestore.Spec {
	spec := imagestore.Spec{Manifest: img.manifest}
	if img.artifact == nil {
		spec.Config = img.content[0].data
	}
	for _, ly := range img.layers {
		spec.Layers = append(spec.Layers, ly.desc)
	}
	for _, b := range img.content {
		spec.Content = append(spec.Content, stripped(b.desc))
	}
	if img.artifact != nil {
		for _, desc := range img.artifact.blobs {
			spec.Content = append(spec.Content, stripped(desc))
		}
	}
	return spec
}

// stripped is a descriptor without what a store does not need.
func stripped(desc ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
}

// complete gives an image, when all are there, its parent and its names, and
// reports it.
func (l *loader) complete(ctx context.Context, tx *kvstore.Tx, img *image, report *Report) error {
	parent, err := l.link(ctx, tx, img)
	if err != nil {
		return err
	}
	if img.parent != "" && parent == "" {
		report.Skipped = append(report.Skipped, Skipped{
			Digest: img.id, Name: img.parent.String(), Reason: "the parent has gone from the store, or descends from the image there",
		})
	}
	for _, name := range img.names.all {
		from, err := take(ctx, tx, img, name)
		if err != nil {
			return l.wrap("", err)
		}
		if from != "" {
			report.Moved = append(report.Moved, MovedName{Name: name, From: from, To: img.id})
		}
	}
	loaded := LoadedImage{ID: img.id, Names: slices.Clone(img.names.all), Parent: parent, Platform: img.config.Platform}
	if img.index != nil {
		loaded.Platforms = slices.Clone(img.index.platforms)
	}
	if img.artifact != nil {
		loaded.Subject = img.artifact.subject
	}
	report.Images = append(report.Images, loaded)
	return nil
}

// link gives an image that has no parent the one of the archive, and returns
// the parent that it has now.
func (l *loader) link(ctx context.Context, tx *kvstore.Tx, img *image) (digest.Digest, error) {
	stored, err := tx.Images.Get(ctx, img.id)
	if err != nil || img.parent == "" || stored.Parent != "" {
		return stored.Parent, err
	}
	err = tx.Images.SetParent(ctx, img.id, img.parent)
	// The parent may have been deleted meanwhile, or been made a descendant of
	// the image: the archive's link is then worth nothing.
	if errors.Is(err, class.NotFound) || errors.Is(err, class.InvalidArgument) {
		return "", nil
	}
	return img.parent, err
}

// take gives the image a name and returns the ID of the image that had it
// before, if another one did.
func take(ctx context.Context, tx *kvstore.Tx, img *image, name reference.Named) (digest.Digest, error) {
	from, err := tx.References.Get(ctx, name)
	if err != nil && !errors.Is(err, class.NotFound) {
		return "", err
	}
	if from == img.id {
		return "", nil
	}
	return from, tx.References.AddTag(ctx, name, img.id, refstore.AddOptions{Force: true})
}
