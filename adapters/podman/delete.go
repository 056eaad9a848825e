package podman

import (
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

var _ jettison.NamedDeleter = imageStore{}

// Delete removes the image, its names, and the layers that nothing else holds, in
// one pass of the library under its own locks. The error is of class Conflict when
// the image lies in a store that cannot be changed, when a container uses it, or
// when another process has given or taken a name of it since this update began;
// nothing has changed then.
func (s imageStore) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	if err := s.write(ctx); err != nil {
		return imagestore.Removed{}, err
	}
	img, err := s.image(id)
	if err != nil {
		return imagestore.Removed{}, err
	}
	if err := s.checkDeletable(img); err != nil {
		return imagestore.Removed{}, err
	}
	deletion := s.deleteWhole
	if !s.layers.complete(img) {
		deletion = s.deletePiecewise
	}
	gone, err := deletion(img)
	if err != nil {
		return imagestore.Removed{}, s.failed(img, err)
	}
	return s.remove(img, gone), nil
}

// DeleteNamed removes the references and the image as one: the library takes the
// names of an image along. All happens or nothing; the errors are those of Delete, and
// of class NotFound when one of the references does not name the image.
func (s imageStore) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	if err := s.write(ctx); err != nil {
		return 0, imagestore.Removed{}, err
	}
	for _, ref := range refs {
		if _, err := s.named(ref, id); err != nil {
			return 0, imagestore.Removed{}, err
		}
	}
	removed, err := s.Delete(ctx, id)
	if err != nil {
		return 0, imagestore.Removed{}, err
	}
	return len(refs), removed, nil
}

// deleteWhole removes an image with its layers and returns the storage IDs of those.
func (st *state) deleteWhole(img *image) ([]string, error) {
	return st.owner.store.DeleteImage(img.ID, true)
}

// deletePiecewise removes the record of an image and then its layers, one by one, for
// the library does not get over one that is missing, or that lies in a store which
// cannot be changed: it would stop halfway.
func (st *state) deletePiecewise(img *image) ([]string, error) {
	containers, err := st.owner.store.Containers()
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		if c.ImageID == img.ID {
			return nil, errors.WithMessage(storage.ErrImageUsedByContainer, c.ID)
		}
	}
	if err := st.owner.store.Delete(img.ID); err != nil {
		return nil, err
	}
	var gone []string
	for _, l := range st.layers.release(img) {
		err := st.owner.store.DeleteLayer(l.ID)
		if errors.Is(err, storage.ErrLayerHasChildren) || errors.Is(err, storage.ErrLayerUsedByImage) {
			continue // another process has put something on it meanwhile
		}
		if err != nil {
			return gone, err
		}
		gone = append(gone, l.ID)
	}
	return gone, nil
}

// checkDeletable makes sure that the image is still as the state says.
func (st *state) checkDeletable(img *image) error {
	if img.pinned {
		return class.Errorf(class.Conflict, "image %s lies in a store that cannot be changed", img.id)
	}
	now, err := st.owner.store.Image(img.ID)
	if err != nil {
		return storageError(err)
	}
	before := slices.Sorted(slices.Values(img.Names))
	slices.Sort(now.Names)
	if !slices.Equal(now.Names, before) {
		return class.Errorf(class.Conflict, "names of image %s have changed meanwhile: from %q to %q", img.id, before, now.Names)
	}
	return nil
}

// failed says what has become of an image whose deletion failed.
func (st *state) failed(img *image, err error) error {
	if _, gone := st.owner.store.Image(img.ID); !isUnknown(gone) {
		return storageError(err)
	}
	st.forget(img)
	return class.Errorf(class.Internal, "image %s is deleted, but not all of its layers: %w", img.id, err)
}

// remove notes that the image has gone, with the layers of these storage IDs, and
// returns them: first the content of the image, then the layers from top to base.
func (st *state) remove(img *image, gone []string) imagestore.Removed {
	removed := imagestore.Removed{Content: st.content(img)}
	st.forget(img)
	for _, id := range gone {
		l, ok := st.layers.byID[id]
		if !ok {
			continue
		}
		record := l.record()
		st.layers.drop(l)
		if l.mapped {
			continue // it is content of the image
		}
		record.Holders = 0
		removed.Layers = append(removed.Layers, record)
		removed.Content = append(removed.Content, record.Content...)
	}
	return removed
}
