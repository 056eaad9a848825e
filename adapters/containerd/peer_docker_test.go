package containerd_test

import (
	"context"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/adapters/containerd"
)

// A questioner removes images as Docker's image service over containerd does:
// with a list for each question, each filtered by the daemon, and a garbage
// collection that is waited for with each name. Its containers are in its own
// memory, so asking them costs nothing here.
type questioner struct{ containerd.Services }

// remove removes an image by its only name, with the ancestors that nothing
// needs: three lists.
func (q questioner) remove(ctx context.Context, name string) error {
	img, err := q.Images.Get(ctx, name)
	if err != nil {
		return err
	}
	target := img.Target.Digest.String()
	for _, question := range []string{
		"target.digest==" + target,                         // what else names it?
		"target.digest==" + target,                         // what is its parent?
		`labels."org.mobyproject.image.parent"==` + target, // has it children?
	} {
		if _, err := q.Images.List(ctx, question); err != nil {
			return err
		}
	}
	return q.delete(ctx, name)
}

// delete removes a name and waits until garbage is collected. A daemon does both
// at once.
func (q questioner) delete(ctx context.Context, name string) error {
	if err := q.Images.Delete(ctx, name, images.SynchronousDelete()); err != nil || q.Garbage == nil {
		return err
	}
	_, err := q.Garbage.GarbageCollect(ctx)
	return err
}

// look reads what each image has: the part of a prune that changes nothing.
func (q questioner) look(ctx context.Context) error {
	all, err := q.Images.List(ctx)
	if err != nil {
		return err
	}
	for _, img := range all {
		if _, err := q.blobs(ctx, img.Target); err != nil {
			return err
		}
	}
	return nil
}

// blobs is the content of an image that is there.
func (q questioner) blobs(ctx context.Context, target ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var found []ocispec.Descriptor
	err := images.Walk(ctx, images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		_, err := q.Content.Info(ctx, desc.Digest)
		switch {
		case errdefs.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, err
		}
		found = append(found, desc)
		return images.Children(ctx, content.Provider(q.Content), desc)
	}), target)
	return found, err
}
