package transfer

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kvstore"
)

// verifyHeld makes sure that what the images share with those in the store is
// undamaged. A layer or an image that is there keeps the content it has, be it
// compressed in another way than in the archive, which then has not been
// verified yet.
func (l *loader) verifyHeld(ctx context.Context, in *diskstore.Ingest) error {
	held, err := l.held(ctx)
	if err != nil {
		return err
	}
	for _, content := range held {
		err := in.Need(ctx, ocispec.Descriptor{Digest: content.Digest, Size: content.Size})
		if err != nil {
			return class.Errorf(class.Unavailable, "archive %s: the store has another form of what is in it: %w", printable(l.path), err)
		}
	}
	return nil
}

// held is the content in the store of all images and layers that are there and
// in the archive.
func (l *loader) held(ctx context.Context) (held []imagestore.Content, err error) {
	seen := make(map[digest.Digest]bool)
	err = l.dst.Read(ctx, func(tx *kvstore.Tx) error {
		for _, img := range l.images {
			stored, err := tx.Images.Get(ctx, img.id)
			if err != nil && !errors.Is(err, class.NotFound) {
				return err
			}
			held = append(held, stored.Content...)
			for _, part := range img.parts() {
				layers, err := heldLayers(ctx, tx, part, seen)
				if err != nil {
					return err
				}
				held = append(held, layers...)
			}
		}
		return nil
	})
	return held, err
}

// heldLayers is the content in the store of the image's layers that have not
// been seen.
func heldLayers(ctx context.Context, tx *kvstore.Tx, img *image, seen map[digest.Digest]bool) (held []imagestore.Content, err error) {
	for _, chainID := range identity.ChainIDs(slices.Clone(img.config.RootFS.DiffIDs)) {
		if seen[chainID] {
			continue
		}
		seen[chainID] = true
		layer, err := tx.Images.Layer(ctx, chainID)
		if err != nil && !errors.Is(err, class.NotFound) {
			return nil, err
		}
		held = append(held, layer.Content...)
	}
	return held, nil
}
