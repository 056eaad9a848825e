package podman

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

// imageStore is the [jettison.ImageStore] of a state.
type imageStore struct{ *state }

var _ jettison.ImageStore = imageStore{}

// Get returns the record of an image.
func (s imageStore) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	if err := s.read(ctx); err != nil {
		return imagestore.Image{}, err
	}
	img, err := s.image(id)
	if err != nil {
		return imagestore.Image{}, err
	}
	return s.record(ctx, img)
}

// record is the image as an engine knows it. The time of one whose configuration
// tells nothing is that of its record in the store.
func (st *state) record(ctx context.Context, img *image) (imagestore.Image, error) {
	parent, err := st.parent(ctx, img)
	if err != nil {
		return imagestore.Image{}, err
	}
	known, err := st.config(ctx, img)
	if err != nil {
		return imagestore.Image{}, err
	}
	record := imagestore.Image{ID: img.id, Parent: parent, Manifest: img.Digest, Content: st.content(img)}
	switch {
	case known == nil || known.list:
		record.Created = img.Created
	default:
		record.Platform, record.Labels = known.platform, maps.Clone(known.labels)
		if known.created != nil {
			record.Created = *known.created
		}
	}
	for _, c := range record.Content {
		record.Size += c.Size
	}
	if top := st.layers.top(img); top != nil {
		record.Layer = top.chain
		record.Size += st.layers.size(top)
	}
	return record, nil
}

// content is what the image keeps besides its layers: its documents, under its
// ID, and the copies of its topmost layer for other user IDs.
func (st *state) content(img *image) []imagestore.Content {
	own := imagestore.Content{Digest: img.id, Holders: 1}
	for _, size := range img.BigDataSizes {
		own.Size += size
	}
	all := []imagestore.Content{own}
	for _, id := range img.MappedTopLayers {
		if l, ok := st.layers.byID[id]; ok {
			all = append(all, l.content())
		}
	}
	return all
}

// Search returns the IDs that begin with prefix.
func (s imageStore) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	var found []digest.Digest
	for id := range s.byID {
		if imagestore.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Children returns the IDs of the images whose parent is id.
func (s imageStore) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, ok := s.byID[id]
	if !ok {
		return nil, nil
	}
	return s.children(ctx, img)
}

// Layer returns the record of a layer.
func (s imageStore) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	if err := s.read(ctx); err != nil {
		return imagestore.Layer{}, err
	}
	l, ok := s.layers.byChain[chainID]
	if !ok {
		return imagestore.Layer{}, class.Errorf(class.NotFound, "layer %s does not exist", chainID)
	}
	return l.record(), nil
}

// All yields every image, sorted by ID.
func (s imageStore) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(s.byID)) {
			img, err := s.Get(ctx, id)
			if class.Is(err, class.NotFound) {
				continue // another's deletion came in between
			}
			if !yield(img, err) || err != nil {
				return
			}
		}
		if len(s.byID) == 0 && ctx.Err() != nil {
			yield(imagestore.Image{}, s.read(ctx))
		}
	}
}
