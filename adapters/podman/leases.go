package podman

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// leases are kept in memory: they end with the process, and no other process sees
// them.
type leases struct {
	mu      sync.Mutex
	byImage map[digest.Digest][]conflict.Lease
}

func newLeases() *leases { return &leases{byImage: make(map[digest.Digest][]conflict.Lease)} }

func (l *leases) of(image digest.Digest) []conflict.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.byImage[image])
}

func (l *leases) set(image digest.Digest, list []conflict.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(list) == 0 {
		delete(l.byImage, image)
		return
	}
	l.byImage[image] = list
}

// leaseStore is the [jettison.LeaseStore] of a state.
type leaseStore struct{ *state }

var _ jettison.LeaseStore = leaseStore{}

// Leases returns the leases on the image, and what else keeps it in place and cannot
// be released: a store that cannot be changed, a mount, a name that is no reference.
// The library counts mounts for a layer and not for whom: all images with that topmost
// layer have them.
func (s leaseStore) Leases(ctx context.Context, id digest.Digest) ([]conflict.Lease, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	list := s.owner.leases.of(id)
	img, ok := s.byID[id]
	if !ok {
		return list, nil
	}
	if img.pinned {
		list = append(list, conflict.Lease{ID: string(conflict.LeaseReadOnly), Kind: conflict.LeaseReadOnly, Owner: "additional store"})
	}
	for _, id := range append(slices.Clone(img.MappedTopLayers), img.TopLayer) {
		if l, ok := s.layers.byID[id]; ok && l.MountCount > 0 {
			list = append(list, conflict.Lease{ID: "mount " + id, Kind: conflict.LeaseMount, Owner: "of layer " + conflict.Short(id)})
		}
	}
	for _, name := range img.Names {
		if !isReference(name) {
			list = append(list, conflict.Lease{ID: name, Kind: conflict.LeaseName, Owner: strconv.Quote(name)})
		}
	}
	return list, nil
}

// Add records a lease.
func (s leaseStore) Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	s.owner.leases.set(image, append(s.owner.leases.of(image), lease))
	return nil
}

// Remove removes a lease. One that is not there is no error.
func (s leaseStore) Remove(ctx context.Context, image digest.Digest, leaseID string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	rest := slices.DeleteFunc(s.owner.leases.of(image), func(l conflict.Lease) bool { return l.ID == leaseID })
	s.owner.leases.set(image, rest)
	return nil
}
