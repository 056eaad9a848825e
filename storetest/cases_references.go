package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// referenceCases are the promises of ReferenceStore.
func referenceCases() []testCase {
	return []testCase{
		{
			name: "references/get", state: referenced, f: getReferences,
			explanation: "Get returns the ID of the image that a tag or digest reference names",
		},
		{
			name: "references/get missing", rule: "E1", state: referenced, f: getMissingReference,
			explanation: "the error of Get is of class NotFound alone when there is no such reference",
		},
		{
			name: "references/of image", rule: "D10", state: referenced, f: referencesOf,
			explanation: "References returns the references to the image sorted by their full string, and none when there are none",
		},
		{
			name: "references/all", rule: "D10", state: referenced, f: allReferences,
			explanation: "All yields every reference once with its image, sorted by its full string, again each time it is ranged over",
		},
		{
			name: "references/delete", rule: "D2", state: referenced, f: deleteReference,
			explanation: "Delete removes that reference in both directions, and no other",
		},
		{
			name: "references/delete moved", rule: "D15", state: referenced, f: deleteMovedReference,
			explanation: "Delete removes a reference only if it still names the image given; otherwise the error is of class NotFound and nothing changes",
		},
		{
			name: "references/delete twice", rule: "D15", state: referenced, f: deleteReferenceTwice,
			explanation: "of two removals of one reference only one succeeds; the error of the other is of class NotFound",
		},
		{
			name: "references/dangling", rule: "R5", state: danglingState, needs: dangling, f: danglingReference,
			explanation: "a reference to an image that is not there is a reference like any other",
		},
		{
			name: "references/owned", state: referenced, f: ownedReferences,
			explanation: "what References returns belongs to the caller, who may change it without changing the store",
		},
	}
}

func getReferences(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, ref := range p.state.References {
			got, err := stores.References.Get(ctx, named(ref.Name))
			if err := firstError(err, same("image of "+ref.Name, got, ref.Image)); err != nil {
				return err
			}
		}
		return nil
	})
}

func getMissingReference(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, name := range []string{"app:2", "quay.io/team/app:latest", "other", "other@" + missing().String()} {
			_, err := stores.References.Get(ctx, named(name))
			if err := classed("Get of "+name, err, "NotFound"); err != nil {
				return err
			}
		}
		return nil
	})
}

func referencesOf(ctx context.Context, p *probe) error {
	f, n := newFamily(), familyNames()
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for id, want := range map[digest.Digest][]string{
			f.app.ID(): n.app, f.tool.ID(): n.tool, f.lone.ID(): nil, missing(): nil,
		} {
			got, err := stores.References.References(ctx, id)
			if err := firstError(err, same("References of "+id.String(), full(got), fullNames(want...))); err != nil {
				return err
			}
		}
		return nil
	})
}

// allReferencesOf lists what All yields.
func allReferencesOf(ctx context.Context, stores jettison.Stores) ([]string, error) {
	var got []string
	for a, err := range stores.References.All(ctx) {
		if err != nil {
			return nil, err
		}
		got = append(got, fmt.Sprintf("%s -> %s", a.Ref, a.ID))
	}
	return got, nil
}

func allReferences(ctx context.Context, p *probe) error {
	want := make([]string, 0, len(p.state.References))
	for _, ref := range p.state.References {
		want = append(want, fmt.Sprintf("%s -> %s", named(ref.Name), ref.Image))
	}
	slices.Sort(want)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		if err := first(stores.References.All(ctx)); err != nil {
			return err
		}
		for range 2 {
			got, err := allReferencesOf(ctx, stores)
			if err := firstError(err, same("All", got, want)); err != nil {
				return err
			}
		}
		return nil
	})
}

// untag removes a reference past the service.
func (p *probe) untag(ctx context.Context, name string, id digest.Digest) error {
	return p.backend.Update(ctx, func(stores jettison.Stores) error {
		return stores.References.Delete(ctx, named(name), id)
	})
}

func deleteReference(ctx context.Context, p *probe) error {
	id, have := newFamily().app.ID(), familyNames().app
	for len(have) > 0 {
		if err := p.untag(ctx, have[0], id); err != nil {
			return err
		}
		gone := have[0]
		have = have[1:]
		err := p.backend.View(ctx, func(stores jettison.Stores) error {
			_, err := stores.References.Get(ctx, named(gone))
			if err := classed("Get of the removed reference", err, "NotFound"); err != nil {
				return err
			}
			left, err := stores.References.References(ctx, id)
			if err := firstError(err, same("references left", full(left), fullNames(have...))); err != nil {
				return err
			}
			all, err := allReferencesOf(ctx, stores)
			return firstError(err, same("number of all references", len(all), len(have)+1))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func deleteMovedReference(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		return p.backend.Update(ctx, func(stores jettison.Stores) error {
			err := stores.References.Delete(ctx, named("app:1.0"), newFamily().tool.ID())
			return classed("Delete of a reference to another image", err, "NotFound")
		})
	})
}

func deleteReferenceTwice(ctx context.Context, p *probe) error {
	id := newFamily().tool.ID()
	if err := p.untag(ctx, "tool:2", id); err != nil {
		return err
	}
	return classed("the second Delete of one reference", p.untag(ctx, "tool:2", id), "NotFound")
}

func danglingReference(ctx context.Context, p *probe) error {
	err := p.backend.View(ctx, func(stores jettison.Stores) error {
		got, err := stores.References.Get(ctx, named("gone:1"))
		if err := firstError(err, same("Get", got, missing())); err != nil {
			return err
		}
		refs, err := stores.References.References(ctx, missing())
		return firstError(err, same("References", full(refs), fullNames("gone:1")))
	})
	if err != nil {
		return err
	}
	records, err := p.service().ImageDelete(ctx, "gone:1", jettison.RemoveOptions{})
	return firstError(err, same("records", records, []jettison.DeleteResponse{{Untagged: "gone:1"}}))
}

func ownedReferences(ctx context.Context, p *probe) error {
	id := newFamily().app.ID()
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		refs, err := stores.References.References(ctx, id)
		if err != nil {
			return err
		}
		for i := range refs {
			refs[i] = named("changed")
		}
		again, err := stores.References.References(ctx, id)
		return firstError(err, same("References after a change of its list", full(again), fullNames(familyNames().app...)))
	})
}
