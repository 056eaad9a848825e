package backends

import (
	"context"
	"slices"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openMaps(t testing.TB, st storetest.State) *Opened {
	e := &mapEngine{images: NewMapImages(), refs: NewMapReferences(), users: NewMapContainers()}
	e.backend = jettison.Separate(jettison.Stores{
		Images:     jettison.Images{ImageStore: e.images},
		References: jettison.References{ReferenceStore: e.refs},
		Containers: jettison.Containers{ContainerLister: e.users, Remover: e.users},
	})
	return New(t, e.backend, e, st)
}

// mapEngine changes maps. What needs more than one of them runs as an update
// of the backend, so that no deletion comes in between.
type mapEngine struct {
	backend jettison.Backend
	images  *MapImages
	refs    *MapReferences
	users   *MapContainers
}

var _ TestEngine = (*mapEngine)(nil)

func (e *mapEngine) update(ctx context.Context, fn func() error) error {
	return e.backend.Update(ctx, func(jettison.Stores) error { return fn() })
}

func (e *mapEngine) Create(ctx context.Context, img storetest.Image) error {
	return e.CreateAll(ctx, []storetest.Image{img})
}

func (e *mapEngine) CreateAll(ctx context.Context, images []storetest.Image) error {
	return e.update(ctx, func() error {
		for _, img := range images {
			if err := e.images.Create(ctx, img); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *mapEngine) Tag(ctx context.Context, name string, id digest.Digest, opts refstore.AddOptions) error {
	ref, err := parse(name)
	if err != nil {
		return err
	}
	return e.update(ctx, func() error {
		if _, err := e.images.Get(ctx, id); err != nil {
			return err
		}
		old, err := e.refs.Get(ctx, ref)
		switch {
		case err == nil && old != id && !opts.Force:
			return class.Errorf(class.Conflict, "%s names image %s", ref, old)
		case err != nil && !errors.Is(err, class.NotFound):
			return err
		}
		e.refs.Set(ref, id)
		return nil
	})
}

func (e *mapEngine) AddContainer(ctx context.Context, c jettison.Container) error {
	return e.update(ctx, func() error {
		for _, image := range append(slices.Clone(c.Mounts), c.Image) {
			if _, err := e.images.Get(ctx, image); err != nil && image != "" {
				return err
			}
		}
		e.users.Set(c)
		return nil
	})
}

func (e *mapEngine) Start(ctx context.Context, container string) error {
	return e.change(ctx, container, func(c *jettison.Container) { c.Running = true })
}

func (e *mapEngine) Stop(ctx context.Context, container string) error {
	return e.change(ctx, container, func(c *jettison.Container) { c.Running = false })
}

func (e *mapEngine) change(ctx context.Context, container string, fn func(*jettison.Container)) error {
	return e.update(ctx, func() error { return e.users.change(container, fn) })
}

func (e *mapEngine) RemoveContainer(ctx context.Context, container string) error {
	return e.update(ctx, func() error {
		e.users.Remove(container)
		return nil
	})
}

func (e *mapEngine) Name(_ context.Context, name string, id digest.Digest) error {
	ref, err := parse(name)
	if err == nil {
		e.refs.Set(ref, id)
	}
	return err
}

func (e *mapEngine) Damage(_ context.Context, id digest.Digest) error {
	e.images.Damage(id)
	return nil
}

func (e *mapEngine) Contents(context.Context) ([]imagestore.Content, error) {
	return e.images.Contents(), nil
}

func (e *mapEngine) Containers(context.Context) ([]jettison.Container, error) {
	return e.users.all(), nil
}

// Document has nothing to return: the maps hold no indexes.
func (e *mapEngine) Document(_ context.Context, index digest.Digest) ([]byte, error) {
	return nil, class.Errorf(class.NotFound, "no index %s", index)
}

// reopen does nothing: the maps are all there is.
func (e *mapEngine) Reopen(context.Context) error { return nil }

// problems are none: what the maps hold has no other form than that of a dump.
func (e *mapEngine) Problems(context.Context) ([]string, error) { return nil, nil }

// parse reads a name with a tag or with a digest.
func parse(name string) (reference.Named, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, class.Wrap(class.InvalidArgument, errors.WithMessage(err, name))
	}
	return reference.TagNameOnly(ref), nil
}
