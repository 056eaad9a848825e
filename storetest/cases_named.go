package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// namedCases are the promises of NamedDeleter.
func namedCases() []testCase {
	return []testCase{
		{
			name: "named/delete", rule: "D10, D12", state: referenced, needs: namedDeletes, f: deleteNamed,
			explanation: "DeleteNamed leaves the store as a call for each reference and one for the image do, and returns what those return, with the number of the references",
		},
		{
			name: "named/missing", rule: "D15", state: referenced, needs: namedDeletes, f: deleteNamedTwice,
			explanation: "the error of DeleteNamed is of class NotFound when there is no such image, so that of two deletions only one succeeds, and nothing changes",
		},
		{
			name: "named/other image", rule: "D14, D15", state: leased, needs: namedDeletes, f: deleteNamesOfAnother,
			explanation: "a reference that is not there or names another image is an error of class NotFound; the references counted are gone then, no other is, and the image is there with all that is about it",
		},
		{
			name: "named/view", state: referenced, needs: namedDeletes, f: deleteNamedInView,
			explanation: "DeleteNamed through a View is an error and changes nothing",
		},
		{
			name: "named/rollback", rule: "D14", state: referenced, needs: namedDeletes | atomic, f: deleteNamedAndFail,
			explanation: "when the function of Update fails, what it removed by DeleteNamed is there",
		},
		{
			name: "named/context", state: referenced, needs: namedDeletes, f: deleteNamedCancelled,
			explanation: "DeleteNamed obeys its context before it has changed anything",
		},
	}
}

// leased is the family with references, and leases on two images that have some.
func leased() State {
	f, st := newFamily(), referenced()
	st.Leases = []Lease{
		{Image: f.app.ID(), Lease: pull("l1", "pull of app")},
		{Image: f.tool.ID(), Lease: pull("l2", "pull of tool")},
	}
	return st
}

// A deletion is what DeleteNamed returns.
type deletion struct {
	untagged int
	removed  imagestore.Removed
	err      error
}

// String is the deletion in words.
func (d deletion) String() string {
	lines := make([]string, 0, len(d.removed.Layers)+len(d.removed.Content))
	for _, l := range d.removed.Layers {
		lines = append(lines, fmt.Sprintf("layer %s of %s", l.ChainID, contentText(l.Content)))
	}
	for _, c := range d.removed.Content {
		lines = append(lines, fmt.Sprintf("content %s of %d bytes", c.Digest, c.Size))
	}
	return fmt.Sprintf("%d references, %s, %s", d.untagged, strings.Join(lines, ", "), said(d.err))
}

// deleteNamed removes the references and the image, which is an error only if the
// store cannot.
func (p *probe) deleteNamed(ctx context.Context, id digest.Digest, names ...string) (d deletion, err error) {
	err = p.backend.Update(ctx, func(stores jettison.Stores) error {
		deleter, err := able(stores.Images.Named)
		if err != nil {
			return err
		}
		d.untagged, d.removed, d.err = deleter.DeleteNamed(ctx, id, refsOf(names))
		return nil
	})
	return d, err
}

// refsOf are the references with these names.
func refsOf(names []string) []reference.Named {
	refs := make([]reference.Named, 0, len(names))
	for _, name := range names {
		refs = append(refs, named(name))
	}
	return refs
}

// deleteApart removes them one by one.
func (p *probe) deleteApart(ctx context.Context, id digest.Digest, names ...string) (d deletion, err error) {
	err = p.backend.Update(ctx, func(stores jettison.Stores) (err error) {
		for _, ref := range refsOf(names) {
			if err := stores.References.Delete(ctx, ref, id); err != nil {
				return err
			}
			d.untagged++
		}
		d.removed, err = stores.Images.Delete(ctx, id)
		return err
	})
	return d, err
}

// again is the case on another fresh store with the same state.
func (p *probe) again() *probe {
	other := *p
	other.backend = p.cfg.Open(p.t, p.state)
	return &other
}

func deleteNamed(ctx context.Context, p *probe) error {
	f, n, other := newFamily(), familyNames(), p.again()
	for _, c := range []struct {
		image Image
		names []string
	}{{f.app, n.app}, {f.twin, nil}, {f.tool, n.tool}, {f.lone, nil}} {
		want, err := other.deleteApart(ctx, c.image.ID(), c.names...)
		if err != nil {
			return err
		}
		after, err := other.dump(ctx)
		if err != nil {
			return err
		}
		got, err := p.deleteNamed(ctx, c.image.ID(), c.names...)
		if err := firstError(err, same("what DeleteNamed returns", got, want)); err != nil {
			return err
		}
		lines, err := p.dump(ctx)
		if err := firstError(err, sameLines("the state after DeleteNamed", lines, after)); err != nil {
			return err
		}
	}
	return nil
}

func deleteNamedTwice(ctx context.Context, p *probe) error {
	f, n := newFamily(), familyNames()
	first, err := p.deleteNamed(ctx, f.tool.ID(), n.tool...)
	if err := firstError(err, first.err); err != nil {
		return err
	}
	return p.unchanged(ctx, func() error {
		for _, names := range [][]string{n.tool, nil} {
			second, err := p.deleteNamed(ctx, f.tool.ID(), names...)
			err = firstError(err,
				classed("the second DeleteNamed", second.err, "NotFound"),
				same("references that it removed", second.untagged, 0),
				same("layers that it removed", len(second.removed.Layers), 0))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func deleteNamesOfAnother(ctx context.Context, p *probe) error {
	f := newFamily()
	for _, c := range []struct {
		image Image
		names []string
		wrong int // which of the names
	}{
		{f.app, []string{"tool:2", "app:1.0"}, 0},
		{f.app, []string{"app:none"}, 0},
		{f.app, []string{"app:1.0", "tool:2", "app:latest"}, 1},
		{f.tool, []string{"tool:2", "app:latest"}, 1},
	} {
		if err := p.again().deleteWrong(ctx, c.image.ID(), c.names, c.wrong); err != nil {
			return fmt.Errorf("%v: %w", c.names, err)
		}
	}
	return nil
}

// deleteWrong makes sure that DeleteNamed fails at a name and has done at most what
// comes before it.
func (p *probe) deleteWrong(ctx context.Context, id digest.Digest, names []string, wrong int) error {
	want, err := p.dump(ctx)
	if err != nil {
		return err
	}
	d, err := p.deleteNamed(ctx, id, names...)
	if err := firstError(err, classed("DeleteNamed", d.err, "NotFound")); err != nil {
		return err
	}
	if d.untagged < 0 || d.untagged > wrong {
		return fmt.Errorf("DeleteNamed: got %d references removed, want at most %d", d.untagged, wrong)
	}
	for _, ref := range refsOf(names[:d.untagged]) {
		line := fmt.Sprintf("reference %s -> %s", ref, id)
		want = slices.DeleteFunc(want, func(other string) bool { return other == line })
	}
	got, err := p.dump(ctx)
	return firstError(err, sameLines("the state after it", got, want))
}

func deleteNamedInView(ctx context.Context, p *probe) error {
	f, n := newFamily(), familyNames()
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			if stores.Images.Named == nil {
				return nil // a view need not show what it cannot do
			}
			if _, _, err := stores.Images.Named.DeleteNamed(ctx, f.tool.ID(), refsOf(n.tool)); err == nil {
				return errors.New("a View has removed an image")
			}
			return nil
		})
	})
}

// deleteNamedWith runs DeleteNamed in an update of its own, with a context of its
// own, and ends the update with the error that then makes of that of DeleteNamed.
func (p *probe) deleteNamedWith(ctx, own context.Context, then func(error) error) error {
	f, n := newFamily(), familyNames()
	return p.backend.Update(ctx, func(stores jettison.Stores) error {
		deleter, err := able(stores.Images.Named)
		if err != nil {
			return err
		}
		_, _, err = deleter.DeleteNamed(own, f.tool.ID(), refsOf(n.tool))
		return then(err)
	})
}

func deleteNamedAndFail(ctx context.Context, p *probe) error {
	failure := errors.New("failed after the deletion")
	return p.unchanged(ctx, func() error {
		err := p.deleteNamedWith(ctx, ctx, func(err error) error { return firstError(err, failure) })
		if !errors.Is(err, failure) {
			return fmt.Errorf("got %s, want that of the function", said(err))
		}
		return nil
	})
}

func deleteNamedCancelled(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		return p.deleteNamedWith(ctx, cancelled(ctx), func(err error) error { return cancelledError("DeleteNamed", err) })
	})
}
