package storetest_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

func brokenBackends() []broken {
	notAtomic := around(func(b jettison.Partial) jettison.Backend { return &hidden{b} })
	notAtomic.Atomic = true
	atomicByName := around(func(b jettison.Partial) jettison.Backend { return b })
	atomicByName.Atomic = true
	loose := backends.Maps().Config()
	loose.Open = openLoose
	secretive := backends.Able().Config()
	secretive.NamedDeletes, secretive.Garbage = false, nil
	return []broken{
		{name: "not atomic", config: notAtomic, fails: map[string]string{"backend/rollback": "nothing has changed"}},
		{name: "atomic by name only", config: atomicByName, fails: map[string]string{"backend/partial": "has the methods of Partial"}},
		{name: "keeps abilities secret", config: secretive, fails: map[string]string{"backend/abilities": "exactly the abilities"}},
		{
			name: "has its abilities in updates alone", fails: map[string]string{"backend/abilities": "those of a View"},
			config: aroundWhole(func(b jettison.Backend) jettison.Backend { return &plainView{b} }),
		},
		{name: "no leases", config: withoutLeases(), fails: map[string]string{"backend/stores": "leases exactly where"}},
		{
			name: "writable view", fails: map[string]string{"backend/read-only view": "writing through a View"},
			config: around(func(b jettison.Partial) jettison.Backend { return &writable{b} }),
		},
		{
			name: "wraps errors", fails: map[string]string{"backend/view error": "as it is", "backend/update error": "as it is"},
			config: around(func(b jettison.Partial) jettison.Backend { return &wrapping{b} }),
		},
		{
			name: "undoes an update", fails: map[string]string{"backend/update": "all its changes are visible", "service/untag": "removed"},
			config: around(func(b jettison.Partial) jettison.Backend { return &forgetful{b} }),
		},
		{
			name: "ignores the context of a transaction", fails: map[string]string{"context/transaction": "before they run the function"},
			config: around(func(b jettison.Partial) jettison.Backend { return &stubborn{b} }),
		},
		{
			name: "fails after the commit", fails: map[string]string{"context/committing": "no longer stops the change"},
			config: around(func(b jettison.Partial) jettison.Backend { return &late{b} }),
		},
		breaking("ignores contexts", map[string]string{
			"context/reading": "every method that reads", "context/walking": "All yields the error of a context",
			"context/writing": "before it has changed anything",
		}, ignoreContexts),
		{
			name: "ignores every context", fails: map[string]string{"context/deletion": "leaves everything as it was"},
			config: around(func(b jettison.Partial) jettison.Backend {
				return &stubborn{&faked{partial: b, change: ignoreContexts}}
			}),
		},
		{
			name: "no order among updates", config: loose, fails: map[string]string{
				"concurrent/deletions": "exactly one", "concurrent/leases": "never deleted", "backend/snapshot": "no update changes under it",
			},
		},
	}
}

// hidden has no methods of Partial.
type hidden struct{ jettison.Backend }

// writable lets views write.
type writable struct{ partial }

func (b *writable) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Update(ctx, fn)
}

// plainView shows a view no abilities.
type plainView struct{ jettison.Backend }

func (b *plainView) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error { return fn(newFakes(stores).stores()) })
}

// wrapping adds words to errors.
type wrapping struct{ partial }

func (b *wrapping) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return wrapped(b.partial.View(ctx, fn))
}

func (b *wrapping) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return wrapped(b.partial.Update(ctx, fn))
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("transaction: %w", err)
}

// forgetful runs no update.
type forgetful struct{ partial }

func (*forgetful) Update(ctx context.Context, _ func(jettison.Stores) error) error { return ctx.Err() }

// stubborn ignores the context of a transaction.
type stubborn struct{ partial }

func (b *stubborn) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.View(context.WithoutCancel(ctx), fn)
}

func (b *stubborn) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.Update(context.WithoutCancel(ctx), fn)
}

// late looks at the context once more at the end.
type late struct{ partial }

func (b *late) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	if err := b.partial.Update(ctx, fn); err != nil {
		return err
	}
	return ctx.Err()
}

// withoutLeases keeps no leases but is said to.
func withoutLeases() storetest.Config {
	return around(func(b jettison.Partial) jettison.Backend { return &leaseless{b} })
}

type leaseless struct{ partial }

func (b *leaseless) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.View(ctx, func(stores jettison.Stores) error {
		stores.Leases = nil
		return fn(stores)
	})
}

func ignoreContexts(f *fakes) {
	whole := *f
	f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
		return whole.images.get(context.WithoutCancel(ctx), id)
	}
	f.images.remove = func(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
		return whole.images.remove(context.WithoutCancel(ctx), id)
	}
	f.images.all = func(ctx context.Context) iter.Seq2[imagestore.Image, error] {
		return whole.images.all(context.WithoutCancel(ctx))
	}
	f.images.children = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		return whole.images.children(context.WithoutCancel(ctx), id)
	}
	f.images.layer = func(ctx context.Context, id digest.Digest) (imagestore.Layer, error) {
		return whole.images.layer(context.WithoutCancel(ctx), id)
	}
	f.references.references = func(ctx context.Context, id digest.Digest) ([]named, error) {
		return whole.references.references(context.WithoutCancel(ctx), id)
	}
	f.references.remove = func(ctx context.Context, ref named, id digest.Digest) error {
		return whole.references.remove(context.WithoutCancel(ctx), ref, id)
	}
	f.containers.list = func(ctx context.Context, id digest.Digest) ([]jettison.Container, error) {
		return whole.containers.list(context.WithoutCancel(ctx), id)
	}
	f.leases.list = func(ctx context.Context, id digest.Digest) ([]conflict.Lease, error) {
		return whole.leases.list(context.WithoutCancel(ctx), id)
	}
}
