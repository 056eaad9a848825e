package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/jettison-oci/jettison"
)

// contextCases are the promises about contexts.
func contextCases() []testCase {
	return []testCase{
		{
			name: "context/reading", state: used, f: cancelledReading,
			explanation: "every method that reads obeys its context",
		},
		{
			name: "context/walking", state: used, f: cancelledWalking,
			explanation: "All yields the error of a context that has ended, and ends",
		},
		{
			name: "context/writing", state: used, f: cancelledWriting,
			explanation: "every method that writes obeys its context before it has changed anything",
		},
		{
			name: "context/transaction", state: used, f: cancelledTransaction,
			explanation: "View and Update obey their context before they run the function",
		},
		{
			name: "context/committing", state: idle, f: cancelledCommit,
			explanation: "once the function of Update has returned nil, the context no longer stops the change",
		},
		{
			name: "context/deletion", rule: "D14", state: referenced, f: cancelledDeletion,
			explanation: "cancelling a deletion before its commit leaves everything as it was",
		},
	}
}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func cancelledReading(ctx context.Context, p *probe) error {
	f, ended := newFamily(), cancelled(ctx)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		reads := map[string]func() error{
			"Images.Get":            func() error { _, err := stores.Images.Get(ended, f.app.ID()); return err },
			"Images.Search":         func() error { _, err := stores.Images.Search(ended, "sha256:00"); return err },
			"Images.Children":       func() error { _, err := stores.Images.Children(ended, f.base.ID()); return err },
			"Images.Layer":          func() error { _, err := stores.Images.Layer(ended, ChainID("os")); return err },
			"References.Get":        func() error { _, err := stores.References.Get(ended, named("tool:2")); return err },
			"References.References": func() error { _, err := stores.References.References(ended, f.app.ID()); return err },
		}
		if stores.Containers.ContainerLister != nil {
			reads["Containers"] = func() error { _, err := stores.Containers.Containers(ended, f.app.ID()); return err }
		}
		if stores.Leases != nil {
			reads["Leases.Leases"] = func() error { _, err := stores.Leases.Leases(ended, f.base.ID()); return err }
		}
		for what, read := range reads {
			if err := cancelledError(what, read()); err != nil {
				return err
			}
		}
		return nil
	})
}

func cancelledWalking(ctx context.Context, p *probe) error {
	ended := cancelled(ctx)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		var images, refs []error
		for _, err := range stores.Images.All(ended) {
			images = append(images, err)
		}
		for _, err := range stores.References.All(ended) {
			refs = append(refs, err)
		}
		return firstError(
			same("items of Images.All with a cancelled context", len(images), 1),
			same("items of References.All with a cancelled context", len(refs), 1),
			cancelledError("Images.All", errors.Join(images...)),
			cancelledError("References.All", errors.Join(refs...)))
	})
}

func cancelledWriting(ctx context.Context, p *probe) error {
	f, ended := newFamily(), cancelled(ctx)
	return p.unchanged(ctx, func() error {
		return p.backend.Update(ctx, func(stores jettison.Stores) error {
			_, err := stores.Images.Delete(ended, f.lone.ID())
			if err := cancelledError("Images.Delete", err); err != nil {
				return err
			}
			err = stores.References.Delete(ended, named("tool:2"), f.tool.ID())
			if err := cancelledError("References.Delete", err); err != nil || stores.Leases == nil {
				return err
			}
			return firstError(
				cancelledError("Leases.Add", stores.Leases.Add(ended, f.app.ID(), pull("new", "me"))),
				cancelledError("Leases.Remove", stores.Leases.Remove(ended, f.base.ID(), "l1")))
		})
	})
}

func cancelledTransaction(ctx context.Context, p *probe) error {
	ended := cancelled(ctx)
	ran := ""
	viewed := p.backend.View(ended, func(jettison.Stores) error { ran += " that of View"; return nil })
	updated := p.backend.Update(ended, func(jettison.Stores) error { ran += " that of Update"; return nil })
	return firstError(
		cancelledError("View", viewed),
		cancelledError("Update", updated),
		same("functions that ran", ran, ""))
}

func cancelledCommit(ctx context.Context, p *probe) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	err := p.backend.Update(inner, func(stores jettison.Stores) error {
		defer cancel()
		return change(inner, stores)
	})
	if err != nil {
		return fmt.Errorf("update whose context ends at its end: %w", err)
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error { return changed(ctx, stores) })
}

func cancelledDeletion(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		records, err := p.service().ImageDelete(cancelled(ctx), newFamily().tool.ID().String(), jettison.RemoveOptions{Force: true})
		return firstError(
			cancelledError("ImageDelete", err),
			classed("ImageDelete with a cancelled context", err, "Unavailable"),
			same("records", records, "[]"))
	})
}
