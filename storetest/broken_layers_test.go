package storetest_test

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

func brokenLayers() []broken {
	return []broken{
		breaking("counts layers wrongly", map[string]string{
			"layers/get": "counts as its holders", "layers/shared": "while another image or layer holds it",
			"backend/no rollback": "remains changed",
		}, changeLayer(func(layer *imagestore.Layer) { layer.Holders++ })),
		breaking("forgets the content of layers", map[string]string{"layers/content": "the data it occupies", "service/plan": "sizes"},
			changeLayer(func(layer *imagestore.Layer) { layer.Content = nil })),
		breaking("counts content wrongly", map[string]string{"layers/shared content": "counted twice"},
			changeLayer(func(layer *imagestore.Layer) {
				for i := range layer.Content {
					layer.Content[i].Holders = 1
				}
			})),
		breaking("returns nothing for a missing layer", map[string]string{
			"layers/get missing": "NotFound alone", "layers/removed": "removes each layer",
		}, func(f *fakes) {
			get := f.images.layer
			f.images.layer = func(ctx context.Context, id digest.Digest) (imagestore.Layer, error) {
				layer, _ := get(ctx, id)
				return layer, ctx.Err()
			}
		}),
		breaking("returns layers from base to top", map[string]string{"layers/removed": "top to base", "service/delete by ID": "top to base"},
			changeRemoved(func(removed *imagestore.Removed) { slices.Reverse(removed.Layers) })),
		breaking("returns no layers", map[string]string{
			"layers/removed": "returns it", "layers/shared": "goes with the last one", "service/last tag": "the image",
		}, changeRemoved(func(removed *imagestore.Removed) { removed.Layers = nil })),
		breaking("returns content without order", map[string]string{"layers/removed content": "from top to base"},
			changeRemoved(func(removed *imagestore.Removed) { slices.Reverse(removed.Content) })),
		breaking("returns content twice", map[string]string{
			"layers/shared content": "once", "service/space": "counted once", "layers/removed content": "the data that went",
		}, changeRemoved(func(removed *imagestore.Removed) { removed.Content = append(removed.Content, removed.Content...) })),
	}
}

func changeLayer(change func(*imagestore.Layer)) func(*fakes) {
	return func(f *fakes) {
		get := f.images.layer
		f.images.layer = func(ctx context.Context, id digest.Digest) (imagestore.Layer, error) {
			layer, err := get(ctx, id)
			change(&layer)
			return layer, err
		}
	}
}

func changeRemoved(change func(*imagestore.Removed)) func(*fakes) {
	return func(f *fakes) {
		remove := f.images.remove
		f.images.remove = func(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
			removed, err := remove(ctx, id)
			change(&removed)
			return removed, err
		}
	}
}
