package jettison

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
)

// Separate makes a [Backend] of stores that share no transaction, as most
// engines have them:
//
//	jettison.Separate(jettison.Stores{
//		Images:     jettison.Images{ImageStore: images},
//		References: jettison.References{ReferenceStore: refs},
//	})
//
// Without an ImageStore or a ReferenceStore every call is an error of class
// InvalidArgument. Where there is no LeaseStore, leases are kept in memory and end
// with the process.
//
// Updates through it run one after another within this process, so two
// deletions do not disturb each other; whatever changes the stores past it is
// caught by their own Delete methods, which remove only what is still there.
// There is no way back from a change: the backend is a [Partial] one (rule
// D14). A View refuses every change.
func Separate(stores Stores) Backend {
	if stores.Images.ImageStore == nil || stores.References.ReferenceStore == nil {
		return noBackend{}
	}
	b := &separate{stores: stores}
	if stores.Leases == nil {
		b.leases = &memoryLeases{byImage: make(map[digest.Digest][]conflict.Lease)}
		b.stores.Leases = b.leases
	}
	return b
}

type separate struct {
	mu     sync.RWMutex
	stores Stores
	leases *memoryLeases // nil where the stores have their own
}

var _ Partial = (*separate)(nil)

// Partial says that an update cannot be undone.
func (b *separate) Partial() {}

// View runs fn while no update runs.
func (b *separate) View(ctx context.Context, fn func(Stores) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := ctx.Err(); err != nil { // it may have ended during the wait
		return err
	}
	return fn(readOnly(b.stores))
}

// Update runs fn while nothing else of this process reads or writes.
func (b *separate) Update(ctx context.Context, fn func(Stores) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil { // it may have ended during the wait
		return err
	}
	if b.leases != nil {
		defer b.leases.sweep(context.WithoutCancel(ctx), b.stores.Images)
	}
	return fn(b.stores)
}

// memoryLeases keeps leases in memory. The lock of its backend guards it.
type memoryLeases struct {
	byImage map[digest.Digest][]conflict.Lease
}

func (m *memoryLeases) Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return slices.Clone(m.byImage[image]), nil
}

func (m *memoryLeases) Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.byImage[image] = append(m.byImage[image], lease)
	return nil
}

func (m *memoryLeases) Remove(ctx context.Context, image digest.Digest, leaseID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rest := slices.DeleteFunc(m.byImage[image], func(l conflict.Lease) bool { return l.ID == leaseID })
	if len(rest) == 0 {
		delete(m.byImage, image)
		return nil
	}
	m.byImage[image] = rest
	return nil
}

// sweep drops the leases on images that are not there any more: those that had
// expired when their image was deleted.
func (m *memoryLeases) sweep(ctx context.Context, images ImageStore) {
	for id := range m.byImage {
		if _, err := images.Get(ctx, id); isNotFound(err) {
			delete(m.byImage, id)
		}
	}
}
