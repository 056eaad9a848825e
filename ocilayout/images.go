package ocilayout

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// images is the [jettison.ImageStore] of a transaction.
type images struct{ view }

var _ jettison.ImageStore = images{}

// Get returns the record of an image.
func (s images) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	img, err := s.find(ctx, id)
	if err != nil {
		return imagestore.Image{}, err
	}
	if err := s.tx.count(ctx); err != nil {
		return imagestore.Image{}, err
	}
	return s.tx.recordOf(img)
}

// find returns an image that is there.
func (s images) find(ctx context.Context, id digest.Digest) (*image, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, err := s.tx.image(ctx, id)
	if err == nil && img == nil {
		err = class.Errorf(class.NotFound, "no image %s in layout %s", id, s.tx.layout.dir)
	}
	return img, err
}

// recordOf returns a record that belongs to the caller.
func (g *graph) recordOf(img *image) (imagestore.Image, error) {
	if img.damage != nil {
		return imagestore.Image{}, &imagestore.UnreadableError{ID: img.id, Err: img.damage}
	}
	record := img.record
	record.Labels = maps.Clone(record.Labels)
	record.Content = g.contents(record.Content)
	record.Size = g.sizeOfAll(record)
	record.Manifests, record.Indexes = slices.Clone(record.Manifests), slices.Clone(record.Indexes)
	for i := range record.Manifests {
		record.Manifests[i].Content = g.contents(record.Manifests[i].Content)
	}
	return record, nil
}

// sizeOfAll is the number of bytes of all that an image holds, each piece counted
// once.
func (g *graph) sizeOfAll(record imagestore.Image) (n int64) {
	seen := make(map[digest.Digest]bool)
	add := func(held []imagestore.Content) {
		for _, c := range held {
			if now := g.content[c.Digest]; now != nil && !seen[c.Digest] {
				seen[c.Digest] = true
				n += g.measured(now).Size
			}
		}
	}
	add(record.Content)
	for _, top := range topsOf(record) {
		for chain := top; g.layers[chain] != nil; chain = g.layers[chain].Parent {
			add(g.layers[chain].Content)
		}
	}
	return n
}

// contents returns content with its size and its holders as they are now.
func (g *graph) contents(held []imagestore.Content) []imagestore.Content {
	held = slices.Clone(held)
	for i, c := range held {
		if now := g.content[c.Digest]; now != nil {
			held[i] = g.measured(now)
		}
		if g.opaque {
			held[i].Holders++ // by what is not understood
		}
	}
	return held
}

// Search returns the IDs that begin with prefix, sorted.
func (s images) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	if err := s.tx.identify(ctx); err != nil {
		return nil, err
	}
	var found []digest.Digest
	for _, id := range s.tx.ids() {
		if imagestore.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	return found, nil
}

// Children returns none: a layout keeps no links between an image and what it
// was built from.
func (s images) Children(ctx context.Context, _ digest.Digest) ([]digest.Digest, error) {
	return nil, s.read(ctx)
}

// Layer returns the record of a layer.
func (s images) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	if err := s.read(ctx); err != nil {
		return imagestore.Layer{}, err
	}
	if err := s.tx.count(ctx); err != nil {
		return imagestore.Layer{}, err
	}
	layer := s.tx.layers[chainID]
	if layer == nil {
		return imagestore.Layer{}, class.Errorf(class.NotFound, "no layer %s in layout %s", chainID, s.tx.layout.dir)
	}
	found := *layer
	found.Content = s.tx.contents(found.Content)
	return found, nil
}

// All yields every image, sorted by ID.
func (s images) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		err := s.read(ctx)
		if err == nil {
			err = s.tx.count(ctx)
		}
		if err != nil {
			yield(imagestore.Image{}, err)
			return
		}
		for _, id := range s.tx.ids() {
			if err := s.read(ctx); err != nil {
				yield(imagestore.Image{}, err)
				return
			}
			if img := s.tx.images[id]; img != nil && !yield(s.tx.recordOf(img)) {
				return
			}
		}
	}
}

// Delete removes the descriptors of an image from index.json, and marks the
// blobs that nothing else needs to be removed after the commit.
func (s images) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	if err := s.write(ctx); err != nil {
		return imagestore.Removed{}, err
	}
	img, err := s.find(ctx, id)
	if err != nil {
		return imagestore.Removed{}, err
	}
	if err := s.tx.count(ctx); err != nil {
		return imagestore.Removed{}, err
	}
	return s.tx.remove(img), nil
}

// remove takes an image out of the state.
func (tx *transaction) remove(img *image) imagestore.Removed {
	for _, target := range img.targets {
		tx.names.remove(target)
		delete(tx.owner, target)
	}
	delete(tx.images, img.id)
	tx.changed = true
	if img.damage != nil {
		return imagestore.Removed{} // what it held is not known in full, and stays
	}
	gone := tx.release(img.record)
	for _, c := range gone.Content {
		tx.gone = append(tx.gone, c.Digest)
	}
	return gone
}
