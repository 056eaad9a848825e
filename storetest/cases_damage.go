package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// damageCases are the promises about records that cannot be read.
func damageCases() []testCase {
	return []testCase{
		{
			name: "unreadable/get", rule: "E3", needs: damage, state: images, f: damaged(getUnreadable),
			explanation: "the error of Get for a record that cannot be understood is an UnreadableError with the ID, of class Internal",
		},
		{
			name: "unreadable/search", rule: "R5", needs: damage, state: images, f: damaged(searchUnreadable),
			explanation: "Search finds an image whose record is unreadable: its ID is readable",
		},
		{
			name: "unreadable/all", rule: "E3", needs: damage, state: images, f: damaged(allUnreadable),
			explanation: "All yields an unreadable record as its UnreadableError and goes on",
		},
		{
			name: "unreadable/delete", rule: "R5", needs: damage, state: images, f: damaged(deleteUnreadable),
			explanation: "an unreadable record is removed all the same; what it held stays, or goes with it, whole",
		},
		{
			name: "unreadable/by ID", rule: "R5", needs: damage, state: referenced, f: damaged(deleteUnreadableByID),
			explanation: "an image whose record is unreadable can be deleted by its full ID, its references with it",
		},
	}
}

// damaged runs a case with the record of tool unreadable.
func damaged(f func(context.Context, *probe, digest.Digest) error) func(context.Context, *probe) error {
	return func(ctx context.Context, p *probe) error {
		id := newFamily().tool.ID()
		p.cfg.Damage(p.t, p.backend, id)
		return f(ctx, p, id)
	}
}

func isUnreadable(what string, err error, id digest.Digest) error {
	var unreadable *imagestore.UnreadableError
	if !errors.As(err, &unreadable) {
		return fmt.Errorf("%s: got %s, want an *imagestore.UnreadableError", what, said(err))
	}
	return firstError(same(what+": ID in the error", unreadable.ID, id), classed(what, err, "Internal"))
}

func getUnreadable(ctx context.Context, p *probe, id digest.Digest) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return isUnreadable("Get", err, id)
	})
}

func searchUnreadable(ctx context.Context, p *probe, id digest.Digest) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		got, err := stores.Images.Search(ctx, id.Encoded()[:20])
		return firstError(err, same("Search", got, []digest.Digest{id}))
	})
}

func allUnreadable(ctx context.Context, p *probe, id digest.Digest) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		readable, unreadable := 0, 0
		for _, err := range stores.Images.All(ctx) {
			if err == nil {
				readable++
				continue
			}
			unreadable++
			if err := isUnreadable("All", err, id); err != nil {
				return err
			}
		}
		return firstError(
			same("readable images", readable, len(p.state.Images)-1),
			same("unreadable images", unreadable, 1))
	})
}

func deleteUnreadable(ctx context.Context, p *probe, id digest.Digest) error {
	// A store may know of the layer only what the record tells, and so nothing.
	held := func() (text string, err error) {
		err = p.backend.View(ctx, func(stores jettison.Stores) error {
			layer, err := stores.Images.Layer(ctx, ChainID("os", "tool"))
			text = fmt.Sprint(layer.Holders, errors.Is(err, jettison.ErrNotFound))
			if errors.Is(err, jettison.ErrNotFound) {
				return nil
			}
			return err
		})
		return text, err
	}
	before, err := held()
	if err != nil {
		return err
	}
	if err := p.removes(ctx, newFamily().tool); err != nil {
		return err
	}
	// A store that knows of the layer by something else can let go of it too.
	after, err := held()
	if after == fmt.Sprint(0, true) {
		after = before
	}
	if err := firstError(err, same("holders of the layer it held", after, before)); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return classed("Get after Delete", err, "NotFound")
	})
}

func deleteUnreadableByID(ctx context.Context, p *probe, id digest.Digest) error {
	records, err := p.service().ImageDelete(ctx, id.String(), jettison.RemoveOptions{})
	return firstError(err, same("records", records, []jettison.DeleteResponse{{Untagged: "tool:2"}, {Deleted: id.String()}}))
}
