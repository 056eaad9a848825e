package ocilayout

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// leases are kept in memory: they end with the process, and other processes do
// not see them. They are never changed: an edit makes others.
type leases struct {
	byImage map[digest.Digest][]conflict.Lease
}

func newLeases() *leases { return &leases{byImage: make(map[digest.Digest][]conflict.Lease)} }

// with returns the leases with these on an image in place of those it had.
func (l *leases) with(image digest.Digest, list []conflict.Lease) *leases {
	changed := &leases{byImage: maps.Clone(l.byImage)}
	changed.byImage[image] = list
	if len(list) == 0 {
		delete(changed.byImage, image)
	}
	return changed
}

// LeaseName is the kind of the lease that stands for a name in index.json which
// is no reference: it cannot be removed as one, so it keeps its image. The
// owner is the name, quoted.
const LeaseName conflict.LeaseKind = "name"

// leaseStore is the [jettison.LeaseStore] of a transaction.
type leaseStore struct{ view }

var _ jettison.LeaseStore = leaseStore{}

func (s leaseStore) now() *leases {
	if s.tx.leases != nil {
		return s.tx.leases
	}
	return s.tx.layout.leases
}

// Leases returns the leases on the image, and one for each of its names that is
// no reference.
func (s leaseStore) Leases(ctx context.Context, id digest.Digest) ([]conflict.Lease, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	list := slices.Clone(s.now().byImage[id])
	img, err := s.tx.image(ctx, id)
	if err != nil || img == nil {
		return list, err
	}
	for _, target := range img.targets {
		for _, e := range s.tx.names.of(target) {
			if e.unusable() {
				list = append(list, conflict.Lease{ID: e.name, Kind: LeaseName, Owner: string(quote(e.name))})
			}
		}
	}
	return list, nil
}

// Add records a lease.
func (s leaseStore) Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	s.tx.leases = s.now().with(image, append(slices.Clone(s.now().byImage[image]), lease))
	return nil
}

// Remove removes a lease. One that is not there is no error.
func (s leaseStore) Remove(ctx context.Context, image digest.Digest, leaseID string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(s.now().byImage[image]), func(l conflict.Lease) bool { return l.ID == leaseID })
	s.tx.leases = s.now().with(image, rest)
	return nil
}
