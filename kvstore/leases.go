package kvstore

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

// Leases keeps the leases on images (rules L1 to L3) in one transaction.
type Leases struct {
	tx     kv.Tx
	images *imagestore.Store
	any    *prefix.Prefix // whether there are leases at all
}

var _ jettison.LeaseStore = (*Leases)(nil)

// Leases returns the leases on the image, sorted by ID, also those that have
// expired. A damaged record is an error of class Internal: what cannot be read
// might hold.
func (l *Leases) Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	if none, err := l.any.Empty(ctx); none || err != nil {
		return nil, err
	}
	return l.on(ctx, image)
}

func (l *Leases) on(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	var leases []conflict.Lease
	for lease, err := range l.all(ctx, image) {
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
	}
	return leases, nil
}

// Add records a lease. The error is of class NotFound when there is no such
// image (rule L1), of class Conflict when it has a lease with this ID, and of
// class InvalidArgument when the ID is empty or has a "/".
func (l *Leases) Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error {
	if lease.ID == "" || strings.Contains(lease.ID, "/") {
		return class.Errorf(class.InvalidArgument, "invalid lease ID %q", lease.ID)
	}
	if _, err := l.images.Get(ctx, image); err != nil {
		return err
	}
	key := leaseKey(image, lease.ID)
	switch _, err := l.tx.Get(ctx, key); {
	case err == nil:
		return class.Errorf(class.Conflict, "lease ID %s is already in use", lease.ID)
	case !errors.Is(err, kv.ErrNotFound):
		return err
	}
	l.any.Put()
	return l.tx.Put(ctx, key, encodeLease(key, lease))
}

// Remove removes a lease, damaged or not. One that is not there is no error
// (rule L2).
func (l *Leases) Remove(ctx context.Context, image digest.Digest, leaseID string) error {
	return l.tx.Delete(ctx, leaseKey(image, leaseID))
}

// all yields the leases on the image, sorted by ID, until the first error.
func (l *Leases) all(ctx context.Context, image digest.Digest) func(yield func(conflict.Lease, error) bool) {
	return func(yield func(conflict.Lease, error) bool) {
		of := leaseKey(image, "")
		for entry, err := range l.tx.Scan(ctx, of) {
			var lease conflict.Lease
			if err == nil {
				lease, err = decodeLease(entry, string(entry.Key[len(of):]))
			}
			if !yield(lease, err) || err != nil {
				return
			}
		}
	}
}

// removeAll removes every lease on the image, damaged or not.
func (l *Leases) removeAll(ctx context.Context, image digest.Digest) error {
	if none, err := l.any.Empty(ctx); none || err != nil {
		return err
	}
	ids, err := collect(ctx, l.tx, string(leaseKey(image, "")))
	if err != nil {
		return err
	}
	return l.remove(ctx, image, ids)
}

func (l *Leases) remove(ctx context.Context, image digest.Digest, ids []string) error {
	for _, id := range ids {
		if err := l.Remove(ctx, image, id); err != nil {
			return err
		}
	}
	return nil
}

// leasePrefix begins the keys of all leases.
const leasePrefix = "lease/"

// leaseKey is the key of a lease; without an ID, the prefix of the keys of all
// leases on the image.
func leaseKey(image digest.Digest, id string) []byte {
	return []byte(leasePrefix + image.String() + "/" + id)
}

func encodeLease(key []byte, lease conflict.Lease) []byte {
	w := record.NewWriter()
	w.String(string(lease.Kind))
	w.String(lease.Owner)
	w.Time(lease.Expires)
	return w.Seal(key)
}

func decodeLease(entry kv.Entry, id string) (conflict.Lease, error) {
	r := record.Read(entry.Key, entry.Value)
	lease := conflict.Lease{
		ID:      id,
		Kind:    conflict.LeaseKind(r.String()),
		Owner:   r.String(),
		Expires: r.Time(),
	}
	if err := r.Close(); err != nil {
		return conflict.Lease{}, err
	}
	return lease, nil
}
