package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jettison-oci/jettison"
)

// backendCases are the promises of Backend but those about contexts.
func backendCases() []testCase {
	return []testCase{
		{
			name: "backend/stores", state: used, f: declaredStores,
			explanation: "a function gets images and references always, containers and leases exactly where the store has them, and containers that can be removed exactly where it says so",
		},
		{
			name: "backend/abilities", f: declaredAbilities,
			explanation: "the stores of an update have exactly the abilities that the configuration declares; what only reads, those of a View have too",
		},
		{
			name: "backend/partial", rule: "D14", f: declaredPartial,
			explanation: "a backend whose Update cannot undo what it did has the methods of Partial, and no other has",
		},
		{
			name: "backend/view error", f: viewError,
			explanation: "View returns the error of its function as it is",
		},
		{
			name: "backend/update error", f: updateError,
			explanation: "Update returns the error of its function as it is",
		},
		{
			name: "backend/read-only view", state: used, f: readOnlyView,
			explanation: "writing through a View is an error and changes nothing",
		},
		{
			name: "backend/update", state: idle, f: update,
			explanation: "when Update returns nil, all its changes are visible, and its function saw each of them at once",
		},
		{
			name: "backend/rollback", rule: "D14", state: idle, needs: atomic, f: rollback,
			explanation: "when the function of Update fails, nothing has changed",
		},
		{
			name: "backend/no rollback", rule: "D14", state: idle, needs: partial, f: noRollback,
			explanation: "over a Partial backend what was changed before an error remains changed",
		},
		{
			name: "backend/snapshot", state: idle, f: snapshot,
			explanation: "View shows one consistent state, which no update changes under it",
		},
	}
}

func declaredStores(ctx context.Context, p *probe) error {
	check := func(stores jettison.Stores) error {
		return firstError(
			same("there are images", stores.Images.ImageStore != nil, true),
			same("there are references", stores.References.ReferenceStore != nil, true),
			declared("Containers", stores.Containers.ContainerLister != nil, p.cfg.Containers),
			declared("RemovesContainers", stores.Containers.Remover != nil, p.cfg.Containers && p.cfg.RemovesContainers),
			declared("Leases", stores.Leases != nil, p.cfg.Leases))
	}
	return firstError(p.backend.View(ctx, check), p.backend.Update(ctx, check))
}

func declaredAbilities(ctx context.Context, p *probe) error {
	check := func(stores jettison.Stores) error {
		images, refs := stores.Images, stores.References
		return firstError(
			declared("Referrers", images.Referrers != nil, p.cfg.Referrers),
			declared("Platforms", images.Platforms != nil, p.cfg.Platforms),
			declared("ShortNames", refs.Short != nil, p.cfg.ShortNames),
			declared("Digest", refs.Digests != nil, p.cfg.Digest != nil))
	}
	return firstError(p.backend.View(ctx, check), p.backend.Update(ctx, func(stores jettison.Stores) error {
		return firstError(check(stores),
			declared("NamedDeletes", stores.Images.Named != nil, p.cfg.NamedDeletes),
			declared("Garbage", stores.Images.Collector != nil, p.cfg.Garbage != nil))
	}))
}

func declaredPartial(_ context.Context, p *probe) error {
	_, is := p.backend.(jettison.Partial)
	return declared("Atomic", !is, p.cfg.Atomic)
}

// declared compares what the backend has with what a field of the configuration says.
func declared(field string, has, says bool) error {
	if has == says {
		return nil
	}
	return fmt.Errorf("field %s of Config declares %t, and the backend has %t", field, says, has)
}

// asItIs makes sure that run returns the very error of its function.
func asItIs(what string, run func(func(jettison.Stores) error) error) error {
	want := errors.New("the error of the function")
	got := run(func(jettison.Stores) error { return want })
	if got != want { //nolint:errorlint // the very error is wanted
		return fmt.Errorf("%s: got %s, want that of the function, not wrapped", what, said(got))
	}
	return nil
}

func viewError(ctx context.Context, p *probe) error {
	return asItIs("View", func(fn func(jettison.Stores) error) error { return p.backend.View(ctx, fn) })
}

func updateError(ctx context.Context, p *probe) error {
	return asItIs("Update", func(fn func(jettison.Stores) error) error { return p.backend.Update(ctx, fn) })
}

func readOnlyView(ctx context.Context, p *probe) error {
	f := newFamily()
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			_, err := stores.Images.Delete(ctx, f.lone.ID())
			if err == nil {
				return errors.New("deleting an image through a View: got no error")
			}
			if err := stores.References.Delete(ctx, named("tool:2"), f.tool.ID()); err == nil {
				return errors.New("deleting a reference through a View: got no error")
			}
			if stores.Leases == nil {
				return nil
			}
			if err := stores.Leases.Add(ctx, f.app.ID(), pull("new", "me")); err == nil {
				return errors.New("adding a lease through a View: got no error")
			}
			if err := stores.Leases.Remove(ctx, f.base.ID(), "l1"); err == nil {
				return errors.New("removing a lease through a View: got no error")
			}
			return nil
		})
	})
}

// change makes one change of each kind.
func change(ctx context.Context, stores jettison.Stores) error {
	f := newFamily()
	if err := stores.References.Delete(ctx, named("tool:2"), f.tool.ID()); err != nil {
		return err
	}
	if _, err := stores.Images.Delete(ctx, f.tool.ID()); err != nil {
		return err
	}
	if stores.Leases == nil {
		return nil
	}
	return firstError(
		stores.Leases.Remove(ctx, f.base.ID(), "l1"),
		stores.Leases.Add(ctx, f.app.ID(), pull("l2", "me")))
}

// changed makes sure that the changes of change show.
func changed(ctx context.Context, stores jettison.Stores) error {
	f := newFamily()
	_, err := stores.References.Get(ctx, named("tool:2"))
	if err := classed("Get of the removed reference", err, "NotFound"); err != nil {
		return err
	}
	refs, err := stores.References.References(ctx, f.tool.ID())
	if err := firstError(err, same("references of the image", full(refs), "[]")); err != nil {
		return err
	}
	_, err = stores.Images.Get(ctx, f.tool.ID())
	if err := classed("Get of the deleted image", err, "NotFound"); err != nil {
		return err
	}
	layer, err := stores.Images.Layer(ctx, ChainID("os"))
	if err := firstError(err, same("holders of the base layer", layer.Holders, 2)); err != nil {
		return err
	}
	if stores.Leases == nil {
		return nil
	}
	before, err := stores.Leases.Leases(ctx, f.base.ID())
	if err := firstError(err, same("leases on base", len(before), 0)); err != nil {
		return err
	}
	after, err := stores.Leases.Leases(ctx, f.app.ID())
	return firstError(err, same("leases on app", len(after), 1))
}

func update(ctx context.Context, p *probe) error {
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		if err := change(ctx, stores); err != nil {
			return err
		}
		if err := changed(ctx, stores); err != nil {
			return fmt.Errorf("within the update: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error { return changed(ctx, stores) })
}

// failAfterChange is an update that changes and then fails; only what is wrong
// comes back.
func (p *probe) failAfterChange(ctx context.Context) error {
	failure := errors.New("made to fail")
	err := p.backend.Update(ctx, func(stores jettison.Stores) error { return firstError(change(ctx, stores), failure) })
	if errors.Is(err, failure) {
		return nil
	}
	return firstError(err, errors.New("the update did not fail"))
}

func rollback(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error { return p.failAfterChange(ctx) })
}

func noRollback(ctx context.Context, p *probe) error {
	if err := p.failAfterChange(ctx); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error { return changed(ctx, stores) })
}

// snapshot looks twice within a view while an update tries to come in between.
// An update that waits for the view is as good as one that goes by it.
func snapshot(ctx context.Context, p *probe) error {
	updated := make(chan error, 1)
	err := p.backend.View(ctx, func(stores jettison.Stores) error {
		before, err := Dump(ctx, stores)
		if err != nil {
			updated <- nil
			return err
		}
		go func() {
			updated <- p.backend.Update(ctx, func(stores jettison.Stores) error { return change(ctx, stores) })
		}()
		select {
		case err := <-updated:
			updated <- err
		case <-time.After(20 * time.Millisecond):
		}
		after, err := Dump(ctx, stores)
		return firstError(err, sameLines("the state seen later in the view", after, before))
	})
	return firstError(err, <-updated)
}
