package containerd

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// imageStore shows the targets as images.
type imageStore struct{ *state }

var (
	_ jettison.ImageStore = imageStore{}
	_ jettison.Collector  = imageStore{}
)

// Get returns the record of the image with this target.
func (s imageStore) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	img, err := s.image(ctx, id)
	if err != nil {
		return imagestore.Image{}, err
	}
	if _, err := s.loadGraph(ctx); err != nil {
		return imagestore.Image{}, err
	}
	return s.record(ctx, img)
}

// Search returns the targets that begin with prefix, sorted.
func (s imageStore) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	return s.find(ctx, func(img *image) bool {
		return strings.HasPrefix(img.id().String(), prefix) || strings.HasPrefix(img.id().Encoded(), prefix)
	})
}

// Children returns the images that say that they were built from this one,
// sorted.
func (s imageStore) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return s.find(ctx, func(img *image) bool { return id != "" && s.parent(img) == id })
}

func (s imageStore) find(ctx context.Context, match func(*image) bool) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []digest.Digest
	for id, img := range s.images {
		if match(img) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Layer returns the record of a layer: a snapshot of an image, with the content
// that it was unpacked from.
func (s imageStore) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	if err := ctx.Err(); err != nil {
		return imagestore.Layer{}, err
	}
	g, err := s.loadGraph(ctx)
	if err != nil {
		return imagestore.Layer{}, err
	}
	l := g.layers[chainID]
	if l == nil || l.Holders <= 0 {
		return imagestore.Layer{}, class.Errorf(class.NotFound, "layer %s does not exist", chainID)
	}
	return s.layerRecord(ctx, l)
}

// layerRecord completes the record of a layer: what it was unpacked from, what
// its snapshot takes, and its diff ID.
func (s *state) layerRecord(ctx context.Context, l *layer) (imagestore.Layer, error) {
	record := l.Layer
	if l.content != "" {
		record.Content = append(record.Content, s.graph.content(l.content))
	}
	used, err := s.snapshotSize(ctx, l.ChainID)
	if err != nil {
		return record, err
	}
	if used > 0 {
		record.Content = append(record.Content, imagestore.Content{Digest: l.ChainID, Size: used, Holders: 1})
	}
	record.DiffID, err = s.diffID(ctx, l.ChainID)
	return record, err
}

// All yields every image, sorted. The documents that it takes are read several at
// once.
func (s imageStore) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		if _, err := s.loadGraph(ctx); err != nil {
			yield(imagestore.Image{}, err)
			return
		}
		ids := s.ids()
		s.readAhead(ctx, ids)
		for _, id := range ids {
			record, err := s.Get(ctx, id)
			if class.Is(err, class.NotFound) {
				continue // it went while others were looked at
			}
			var unreadable *imagestore.UnreadableError
			if !yield(record, err) || err != nil && !errors.As(err, &unreadable) {
				return
			}
		}
	}
}

// readAhead reads the documents of images, several at once. What fails is read
// again by whoever needs it.
func (s *state) readAhead(ctx context.Context, ids []digest.Digest) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, id := range ids {
		img := s.images[id]
		if _, known := s.backend.docs.get(id); known || img == nil {
			continue
		}
		group.Go(func() error {
			_, _ = s.record(ctx, img)
			return nil
		})
	}
	_ = group.Wait() // there are no errors
}

// Delete removes every record of the image, and the leases of this package on it,
// and returns what nothing else holds: what the garbage collector will take. When
// not all of the records can be removed, those that were are gone, and removing
// the image again removes the rest.
func (s imageStore) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	var gone imagestore.Removed
	if err := s.write(ctx); err != nil {
		return gone, err
	}
	img, err := s.image(ctx, id)
	if err != nil {
		return gone, err
	}
	g, err := s.loadGraph(ctx)
	if err != nil {
		return gone, err
	}
	_, damage := s.record(ctx, img)
	if gone, err = s.release(ctx, g.own(id)); err != nil {
		return gone, err
	}
	if err := s.endLeases(ctx, func(l lease) bool { return l.target() == id }); err != nil {
		return imagestore.Removed{}, err
	}
	if err := s.removeNames(ctx, img, img.inOrder()); err != nil {
		return imagestore.Removed{}, err
	}
	s.forgetOwned(id, gone)
	var unreadable *imagestore.UnreadableError
	if errors.As(damage, &unreadable) {
		return imagestore.Removed{}, nil // no plan could foretell what goes with it
	}
	return gone, nil
}
