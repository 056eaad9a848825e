package storetest_test

import (
	"context"
	"errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/storetest"
)

func brokenRemovers() []broken {
	undone := around(func(b jettison.Partial) jettison.Backend { return &hidden{b} })
	undone.Atomic = true
	return []broken{
		removing("removes no container", map[string]string{"remover/remove": "that container and no other", "remover/service": "goes with the containers"},
			func(fakeContainers) func(context.Context, jettison.Container) error {
				return func(ctx context.Context, _ jettison.Container) error { return ctx.Err() }
			}),
		removing("does not mind whether the container is there", map[string]string{"remover/missing": "only one succeeds", "remover/beginning": "that very ID"},
			func(whole fakeContainers) func(context.Context, jettison.Container) error {
				return func(ctx context.Context, c jettison.Container) error {
					if err := whole.remove(ctx, c); !errors.Is(err, jettison.ErrNotFound) {
						return err
					}
					return nil
				}
			}),
		removing("ignores the context of a removal", map[string]string{"remover/context": "before it has changed anything"},
			func(whole fakeContainers) func(context.Context, jettison.Container) error {
				return func(ctx context.Context, c jettison.Container) error {
					return whole.remove(context.WithoutCancel(ctx), c)
				}
			}),
		{
			name: "removes containers through a view", fails: map[string]string{"remover/view": "changes nothing"},
			config: around(func(b jettison.Partial) jettison.Backend { return &writable{b} }),
		},
		{name: "cannot bring containers back", config: undone, fails: map[string]string{"remover/rollback": "are there"}},
		{name: "cannot remove containers", config: onlyListing(), fails: map[string]string{"backend/stores": "containers"}},
	}
}

// removing is a broken store with another RemoveContainer.
func removing(name string, fails map[string]string, change func(fakeContainers) func(context.Context, jettison.Container) error) broken {
	return breaking(name, fails, func(f *fakes) { f.containers.remove = change(f.containers) })
}

// onlyListing lists containers, and is said to remove them.
func onlyListing() storetest.Config {
	return around(func(b jettison.Partial) jettison.Backend { return &withoutRemoval{b} })
}

type withoutRemoval struct{ partial }

func (b *withoutRemoval) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.Update(ctx, func(stores jettison.Stores) error {
		stores.Containers.Remover = nil
		return fn(stores)
	})
}
