package containerd

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// imageStore shows the targets as images.
type imageStore struct{ *state }

var (
	_ jettison.ImageStore   = imageStore{}
	_ jettison.Collector    = imageStore{}
	_ jettison.NamedDeleter = imageStore{}
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []digest.Digest
	for id := range s.images {
		if imagestore.HasPrefix(id, prefix) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Children returns the images that say that they were built from this one,
// sorted.
func (s imageStore) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil || s.images[id] == nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(s.children[id]), func(child digest.Digest) bool { return s.images[child] == nil })
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
	if l.content != nil {
		record.Content = append(record.Content, l.content.record())
	}
	used, err := s.snapshotSize(ctx, l.ChainID)
	if err != nil {
		return record, err
	}
	if used > 0 {
		record.Content = append(record.Content, imagestore.Content{Digest: l.ChainID, Size: used, Holders: 1})
	}
	record.DiffID, err = s.diffID(ctx, l)
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
// again by whoever needs it, and so is what a context that has ended left out.
func (s *state) readAhead(ctx context.Context, ids []digest.Digest) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id digest.Digest) bool {
		_, known := s.backend.docs.get(id)
		return known
	})
	_ = several(ctx, len(ids), func(ctx context.Context, i int) error {
		_, _ = s.record(ctx, s.images[ids[i]])
		return nil
	})
}

// Delete removes every record of the image, and the leases of this package on it,
// and returns what nothing else holds: what the garbage collector will take. When
// not all of the records can be removed, those that were are gone, and removing
// the image again removes the rest.
func (s imageStore) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	_, gone, err := s.DeleteNamed(ctx, id, nil)
	return gone, err
}

// DeleteNamed removes these references to the image, one after another, and then
// the image. It returns how many of the references it removed. Before anything is
// changed all of them must name the image. Its last record goes last, whatever it
// is: until then the image is there, and then it is not.
func (s imageStore) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	var none imagestore.Removed
	if err := s.write(ctx); err != nil {
		return 0, none, err
	}
	img, err := s.image(ctx, id)
	if err != nil {
		return 0, none, err
	}
	if err := img.areNames(refs); err != nil {
		return 0, none, err
	}
	g, err := s.loadGraph(ctx)
	if err != nil {
		return 0, none, err
	}
	_, damage := s.record(ctx, img)
	gone, err := s.release(ctx, g.own(id))
	if err != nil {
		return 0, none, err
	}
	if err := s.endLeases(ctx, func(l lease) bool { return l.target() == id }); err != nil {
		return 0, none, err
	}
	untagged, err := s.removeRecords(ctx, img, refs)
	if err != nil {
		return untagged, none, err
	}
	s.deleted[id] = true
	s.forgetOwned(id, gone)
	if _, unreadable := errors.AsType[*imagestore.UnreadableError](damage); unreadable {
		return untagged, none, nil // no plan could foretell what goes with it
	}
	return untagged, gone, nil
}

// areNames makes sure that each of the references names the image.
func (img *image) areNames(refs []reference.Named) error {
	for _, ref := range refs {
		if len(img.namesOf(ref)) == 0 {
			return class.Errorf(class.NotFound, "reference %s does not name image %s", ref, img.id())
		}
	}
	return nil
}

// removeRecords removes the records of references, in their order, and all others.
// Those come before the last reference, so that until all is done the image can be
// found by it, and a deletion that failed be tried again.
func (s *state) removeRecords(ctx context.Context, img *image, refs []reference.Named) (int, error) {
	untagged := 0
	for i, ref := range refs {
		names := img.namesOf(ref)
		if i == len(refs)-1 {
			rest := slices.DeleteFunc(img.sorted(), func(name string) bool { return slices.Contains(names, name) })
			if err := s.removeNames(ctx, img, rest); err != nil && !class.Is(err, class.NotFound) {
				return untagged, err
			}
		}
		if err := s.removeNames(ctx, img, names); err != nil {
			return untagged, err
		}
		untagged++
	}
	if len(refs) > 0 {
		return untagged, nil
	}
	return 0, s.removeNames(ctx, img, img.sorted())
}
