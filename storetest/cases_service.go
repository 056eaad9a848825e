package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// serviceCases are what a service makes of the store.
func serviceCases() []testCase {
	return []testCase{
		{
			name: "service/untag", rule: "D2, D4", state: referenced, f: serviceUntag,
			explanation: "a reference to an image that has others is removed and nothing else",
		},
		{
			name: "service/last tag", rule: "D3, D5", state: referenced, f: serviceLastTag,
			explanation: "the last tag of a repository takes its digest references along, and the last reference the image",
		},
		{
			name: "service/delete by ID", rule: "D8, D10", state: referenced, f: serviceByID,
			explanation: "the records are: each reference in order, the image, the layers that nothing else holds from top to base",
		},
		{
			name: "service/references", rule: "D7", state: referenced, f: serviceReferences,
			explanation: "an image with references in several repositories is not deleted by its ID without force; every reference is named",
		},
		{
			name: "service/use", rule: "D1", state: used, needs: containers, f: serviceUse,
			explanation: "the only reference to an image that a container uses is not removed without force",
		},
		{
			name: "service/conflicts", rule: "D9, D13", state: used, needs: containers | mounts | leases | parents, f: serviceConflicts,
			explanation: "a refusal says everything that stands in the way: children, containers that use or mount it, leases",
		},
		{
			name: "service/ancestors", rule: "D11", state: images, needs: parents, f: serviceAncestors,
			explanation: "with PruneChildren the parent goes with its last child",
		},
		{
			name: "service/several", rule: "D16", state: referenced, f: serviceSeveral,
			explanation: "several references are removed one after another, each against what the one before left; one that fails stops no other",
		},
		{
			name: "service/resolve", rule: "R3, R7", state: images, f: serviceResolve,
			explanation: "an image is found by the first digits of its ID; what is not found is an error of class NotFound",
		},
		{
			name: "service/space", rule: "P7", state: images, needs: contents, f: serviceSpace,
			explanation: "the space reclaimed is that of the data that really went, each piece counted once",
		},
		{
			name: "service/plan", rule: "P9", state: referenced, f: servicePlan,
			explanation: "a plan changes nothing, and has the records and sizes of the deletion that follows",
		},
		{
			name: "service/lease", rule: "L1, L2, L3", state: referenced, needs: leases, f: serviceLease,
			explanation: "a lease keeps its image from being deleted until it is released",
		},
	}
}

// deletes runs one deletion and compares the records.
func (p *probe) deletes(ctx context.Context, ref string, opts jettison.RemoveOptions, want ...jettison.DeleteResponse) error {
	got, err := p.service().ImageDelete(ctx, ref, opts)
	return firstError(err, same("records of "+ref, got, want))
}

func untagged(names ...string) []jettison.DeleteResponse {
	var records []jettison.DeleteResponse
	for _, name := range names {
		records = append(records, jettison.DeleteResponse{Untagged: name})
	}
	return records
}

func deleted(ids ...digest.Digest) []jettison.DeleteResponse {
	var records []jettison.DeleteResponse
	for _, id := range ids {
		records = append(records, jettison.DeleteResponse{Deleted: id.String()})
	}
	return records
}

func serviceUntag(ctx context.Context, p *probe) error {
	return p.deletes(ctx, "app:1.0", jettison.RemoveOptions{}, untagged("app:1.0")...)
}

func serviceLastTag(ctx context.Context, p *probe) error {
	f, n := newFamily(), familyNames()
	return firstError(
		p.deletes(ctx, "app:1.0", jettison.RemoveOptions{}, untagged("app:1.0")...),
		p.deletes(ctx, "app", jettison.RemoveOptions{}, untagged(n.app[1], n.app[2])...),
		p.deletes(ctx, "tool:2", jettison.RemoveOptions{},
			append(untagged("tool:2"), deleted(f.tool.ID(), ChainID("os", "tool"))...)...))
}

func serviceByID(ctx context.Context, p *probe) error {
	f, n := newFamily(), familyNames()
	force := jettison.RemoveOptions{Force: true}
	return firstError(
		p.deletes(ctx, f.app.ID().String(), force, append(untagged(n.app...), deleted(f.app.ID())...)...),
		p.deletes(ctx, f.twin.ID().Encoded(), force,
			deleted(f.twin.ID(), ChainID("os", "lib", "app"), ChainID("os", "lib"))...))
}

// refuses runs a deletion that must be refused with a conflict error.
func (p *probe) refuses(ctx context.Context, ref string, opts jettison.RemoveOptions) (*conflict.Error, error) {
	var refusal *conflict.Error
	err := p.unchanged(ctx, func() error {
		records, err := p.service().ImageDelete(ctx, ref, opts)
		if !errors.As(err, &refusal) {
			return fmt.Errorf("deletion of %s: got records %v and %s, want a *conflict.Error", ref, records, said(err))
		}
		return classed("deletion of "+ref, err, "Conflict")
	})
	return refusal, err
}

// reasons are the conflicts in words.
func reasons(refusal *conflict.Error) []string {
	var all []string
	for _, c := range refusal.Conflicts {
		all = append(all, c.String())
	}
	return all
}

func serviceReferences(ctx context.Context, p *probe) error {
	refusal, err := p.refuses(ctx, newFamily().app.ID().String(), jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	var want []string
	for _, name := range familyNames().app {
		want = append(want, "active reference "+name)
	}
	return same("reasons", reasons(refusal), want)
}

func serviceUse(ctx context.Context, p *probe) error {
	refusal, err := p.refuses(ctx, "tool:2", jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	return same("reasons", reasons(refusal), "[stopped container c2]")
}

func serviceConflicts(ctx context.Context, p *probe) error {
	f := newFamily()
	forced, err := p.refuses(ctx, f.base.ID().String(), jettison.RemoveOptions{Force: true})
	if err != nil {
		return err
	}
	mounted, err := p.refuses(ctx, f.lone.ID().String(), jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	first, second := min(f.app.ID(), f.tool.ID()), max(f.app.ID(), f.tool.ID())
	return firstError(
		same("what force cannot override", reasons(forced), []string{
			"dependent child " + first.String(), "dependent child " + second.String(), "lease l1 (pull by pull of base)",
		}),
		same("users of a mounted image", reasons(mounted), "[stopped container c2 stopped container self (c3)]"))
}

func serviceAncestors(ctx context.Context, p *probe) error {
	f, prune := newFamily(), jettison.RemoveOptions{PruneChildren: true}
	return firstError(
		p.deletes(ctx, f.twin.ID().String(), prune, deleted(f.twin.ID())...),
		p.deletes(ctx, f.tool.ID().String(), prune, deleted(f.tool.ID(), ChainID("os", "tool"))...),
		p.deletes(ctx, f.app.ID().String(), prune, deleted(
			f.app.ID(), ChainID("os", "lib", "app"), ChainID("os", "lib"), f.base.ID(), ChainID("os"))...))
}

func serviceSeveral(ctx context.Context, p *probe) error {
	f := newFamily()
	reports, err := p.service().ImagesDelete(ctx,
		[]string{"tool:2", "nothing", "tool:2", f.twin.ID().String(), "app:1.0"}, jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	var got []string
	for _, r := range reports {
		got = append(got, fmt.Sprint(r.Records, errors.Is(r.Err, jettison.ErrNotFound)))
	}
	want := []string{
		fmt.Sprint(append(untagged("tool:2"), deleted(f.tool.ID(), ChainID("os", "tool"))...), false),
		"[] true", "[] false",
		fmt.Sprint(deleted(f.twin.ID()), false),
		fmt.Sprint(untagged("app:1.0"), false),
	}
	return same("reports", got, want)
}

func serviceResolve(ctx context.Context, p *probe) error {
	f := newFamily()
	_, err := p.service().ImageDelete(ctx, "nothing", jettison.RemoveOptions{})
	return firstError(
		classed("deletion of nothing", err, "NotFound"),
		p.deletes(ctx, f.bare.ID().Encoded()[:12], jettison.RemoveOptions{}, deleted(f.bare.ID())...),
		p.deletes(ctx, f.lone.ID().String()[:len("sha256:")+12], jettison.RemoveOptions{}, deleted(f.lone.ID(), ChainID("lone"))...))
}

func serviceSpace(ctx context.Context, p *probe) error {
	f := newFamily()
	reports, err := p.service().ImagesDelete(ctx, []string{f.app.ID().String(), f.twin.ID().String()}, jettison.RemoveOptions{})
	if err != nil {
		return err
	}
	return firstError(
		same("space of the first", reports[0].SpaceReclaimed, bytesOf(p.own(f.app))),
		same("space of the second", reports[1].SpaceReclaimed, bytesOf(append(p.own(f.twin), f.app.Layers[1:]...))))
}

func bytesOf(pieces [][]byte) int {
	n := 0
	for _, piece := range pieces {
		n += len(piece)
	}
	return n
}

func servicePlan(ctx context.Context, p *probe) error {
	f := newFamily()
	refs := []string{f.app.ID().String(), "tool:2", f.twin.ID().String()}
	opts := jettison.RemoveOptions{Force: true, PruneChildren: true}
	var plan *jettison.Plan
	err := p.unchanged(ctx, func() (err error) {
		plan, err = p.service().PlanDelete(ctx, refs, opts)
		return err
	})
	if err != nil {
		return err
	}
	reports, err := p.service().ImagesDelete(ctx, refs, opts)
	if err != nil {
		return err
	}
	var records []jettison.DeleteResponse
	var space int64
	for _, r := range reports {
		records = append(records, r.Records...)
		space += r.SpaceReclaimed
	}
	return firstError(same("records", records, plan.Records()), same("space", space, plan.SpaceReclaimed()))
}

func serviceLease(ctx context.Context, p *probe) error {
	service, id := p.service(), newFamily().tool.ID()
	opts := jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "c9"}
	_, err := service.Lease(ctx, "nothing", opts)
	if err := classed("lease on nothing", err, "NotFound"); err != nil {
		return err
	}
	lease, err := service.Lease(ctx, "tool:2", opts)
	if err != nil {
		return err
	}
	refusal, err := p.refuses(ctx, id.String(), jettison.RemoveOptions{Force: true})
	if err != nil {
		return err
	}
	return firstError(
		same("image of the lease", lease.Image, id),
		same("reasons", reasons(refusal), fmt.Sprintf("[lease %s (create by c9)]", lease.ID)),
		lease.Release(ctx), lease.Release(ctx),
		p.deletes(ctx, id.String(), jettison.RemoveOptions{},
			append(untagged("tool:2"), deleted(id, ChainID("os", "tool"))...)...))
}
