package storetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// loose runs updates and views all at once, on stores that are slow and do not
// mind whether what they remove is there.
type loose struct{ stores jettison.Stores }

func (*loose) Partial() {}

func (b *loose) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Update(ctx, fn)
}

func (b *loose) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return errors.Join(ctx.Err(), fn(b.stores))
}

func openLoose(t testing.TB, st storetest.State) jettison.Backend {
	images, refs, users := backends.NewMapImages(), backends.NewMapReferences(), backends.NewMapContainers()
	for _, img := range st.Images {
		if err := images.Create(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range st.References {
		refs.Set(parse(t, ref.Name), ref.Image)
	}
	f := newFakes(jettison.Stores{
		Images:     jettison.Images{ImageStore: images},
		References: jettison.References{ReferenceStore: refs},
		Containers: jettison.Containers{ContainerLister: users, Remover: users},
		Leases:     &slowLeases{byImage: make(map[digest.Digest][]conflict.Lease)},
	})
	get, remove := f.images.get, f.references.remove
	f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
		img, err := get(ctx, id)
		time.Sleep(5 * time.Millisecond)
		return img, err
	}
	f.references.remove = func(ctx context.Context, ref named, id digest.Digest) error {
		if err := remove(ctx, ref, id); !errors.Is(err, jettison.ErrNotFound) {
			return err
		}
		return nil
	}
	return &loose{f.stores()}
}

// slowLeases takes its time to add a lease.
type slowLeases struct {
	mu      sync.Mutex
	byImage map[digest.Digest][]conflict.Lease
}

func (s *slowLeases) Leases(_ context.Context, image digest.Digest) ([]conflict.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.byImage[image]), nil
}

func (s *slowLeases) Add(_ context.Context, image digest.Digest, lease conflict.Lease) error {
	time.Sleep(30 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byImage[image] = append(s.byImage[image], lease)
	return nil
}

func (s *slowLeases) Remove(_ context.Context, image digest.Digest, leaseID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byImage[image] = slices.DeleteFunc(s.byImage[image], func(l conflict.Lease) bool { return l.ID == leaseID })
	return nil
}
