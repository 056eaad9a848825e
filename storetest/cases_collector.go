package storetest

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// collectorCases are the promises of Collector.
func collectorCases() []testCase {
	return []testCase{
		{
			name: "collector/gone", rule: "D12", state: images, needs: collects, f: collectAll,
			explanation: "Collect waits until all that the deletions of the update reported has gone, and returns none of it then",
		},
		{
			name: "collector/held", rule: "D12", state: images, needs: collects, f: collectHeld,
			explanation: "what the deletions reported and something else holds stays, and Collect returns that, whatever holds it, and nothing else",
		},
		{
			name: "collector/needed", rule: "D12", state: images, needs: collects, f: collectAround,
			explanation: "Collect takes nothing that an image which is there needs",
		},
		{
			name: "collector/update", state: images, needs: collects, f: collectAgain,
			explanation: "Collect tells of the deletions of its own update and of none before it, and of nothing when there were none",
		},
		{
			name: "collector/context", state: images, needs: collects, f: collectCancelled,
			explanation: "Collect obeys its context before it has taken anything",
		},
		{
			name: "collector/service", rule: "D12", state: referenced, needs: collects, f: serviceCollects,
			explanation: "when a service returns, the image and the layers that its records say are deleted have gone",
		},
	}
}

// collection is what an update that deletes these images reported, and what its
// collection returned. Meanwhile is run between the two.
func (p *probe) collection(ctx context.Context, meanwhile func(), deleted ...digest.Digest) (reported, left []digest.Digest, err error) {
	err = p.backend.Update(ctx, func(stores jettison.Stores) error {
		collector, err := able(stores.Images.Collector)
		if err != nil {
			return err
		}
		for _, id := range deleted {
			removed, err := stores.Images.Delete(ctx, id)
			if err != nil {
				return err
			}
			reported = append(reported, digests(removed)...)
		}
		meanwhile()
		left, err = collector.Collect(ctx)
		return err
	})
	slices.Sort(reported)
	slices.Sort(left)
	return slices.Compact(reported), left, err
}

// nothing happens.
func nothing() {}

// digests are the chain IDs and the content of what went.
func digests(removed imagestore.Removed) []digest.Digest {
	var all []digest.Digest
	for _, l := range removed.Layers {
		all = append(all, l.ChainID)
	}
	for _, c := range removed.Content {
		all = append(all, c.Digest)
	}
	return all
}

// thereOf are those that are in the store.
func (p *probe) thereOf(all []digest.Digest) []digest.Digest {
	return slices.DeleteFunc(slices.Clone(all), func(dgst digest.Digest) bool { return !p.cfg.Garbage.There(p.t, p.backend, dgst) })
}

func collectAll(ctx context.Context, p *probe) error {
	f := newFamily()
	reported, left, err := p.collection(ctx, nothing, f.lone.ID(), f.tool.ID())
	return firstError(err,
		same("layer of lone among what was reported", slices.Contains(reported, ChainID("lone")), true),
		same("layer of tool among what was reported", slices.Contains(reported, ChainID("os", "tool")), true),
		same("what Collect returns", left, "[]"),
		same("what is there", p.thereOf(reported), "[]"))
}

// collectHeld has a layer held before the update, which the deletion may foresee or
// not, and meanwhile, which it cannot.
func collectHeld(ctx context.Context, p *probe) error {
	f, held := newFamily(), ChainID("lone")
	hold := func(p *probe) { p.cfg.Garbage.Hold(p.t, p.backend, held) }
	early, late := p, p.again()
	hold(early)
	reported, left, err := early.collection(ctx, nothing, f.lone.ID(), f.tool.ID())
	err = firstError(err,
		same("the layer that was held before is there", early.thereOf([]digest.Digest{held}), []digest.Digest{held}),
		same("what Collect returns", left, early.thereOf(reported)))
	if err != nil {
		return err
	}
	reported, left, err = late.collection(ctx, func() { hold(late) }, f.lone.ID(), f.tool.ID())
	return firstError(err,
		same("the layer that was held meanwhile among what was reported", slices.Contains(reported, held), true),
		same("what Collect returns", left, []digest.Digest{held}),
		same("what is there", late.thereOf(reported), []digest.Digest{held}))
}

// needed are the chain IDs and the content that these images need.
func needed(ctx context.Context, stores jettison.Stores, ids ...digest.Digest) ([]digest.Digest, error) {
	var all imagestore.Removed
	for _, id := range ids {
		img, err := stores.Images.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		all.Content = append(all.Content, img.Content...)
		for chain := img.Layer; chain != ""; {
			layer, err := stores.Images.Layer(ctx, chain)
			if err != nil {
				return nil, err
			}
			all.Layers = append(all.Layers, layer)
			all.Content = append(all.Content, layer.Content...)
			chain = layer.Parent
		}
	}
	return digests(all), nil
}

func collectAround(ctx context.Context, p *probe) error {
	f := newFamily()
	var want []digest.Digest
	err := p.backend.View(ctx, func(stores jettison.Stores) (err error) {
		want, err = needed(ctx, stores, f.base.ID(), f.twin.ID(), f.lone.ID(), f.bare.ID())
		return err
	})
	if err != nil {
		return err
	}
	_, left, err := p.collection(ctx, nothing, f.app.ID(), f.tool.ID())
	return firstError(err,
		same("what Collect returns", left, "[]"),
		same("what is there of what images need", p.thereOf(want), want))
}

func collectAgain(ctx context.Context, p *probe) error {
	f := newFamily()
	hold := func() { p.cfg.Garbage.Hold(p.t, p.backend, ChainID("lone")) }
	if _, _, err := p.collection(ctx, hold, f.lone.ID()); err != nil {
		return err
	}
	_, left, err := p.collection(ctx, nothing, f.tool.ID())
	if err := firstError(err, same("what the second Collect returns", left, "[]")); err != nil {
		return err
	}
	return p.unchanged(ctx, func() error {
		_, left, err := p.collection(ctx, nothing)
		return firstError(err, same("what Collect returns where nothing was deleted", left, "[]"))
	})
}

func collectCancelled(ctx context.Context, p *probe) error {
	var reported []digest.Digest
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		collector, err := able(stores.Images.Collector)
		if err != nil {
			return err
		}
		removed, err := stores.Images.Delete(ctx, newFamily().lone.ID())
		if err != nil {
			return err
		}
		reported = digests(removed)
		_, err = collector.Collect(cancelled(ctx))
		return cancelledError("Collect", err)
	})
	return firstError(err, same("what is there", p.thereOf(reported), reported))
}

func serviceCollects(ctx context.Context, p *probe) error {
	f := newFamily()
	layer := ChainID("os", "tool")
	return firstError(
		p.deletes(ctx, "tool:2", jettison.RemoveOptions{}, append(untagged("tool:2"), deleted(f.tool.ID(), layer)...)...),
		same("what is there", p.thereOf([]digest.Digest{f.tool.ID(), layer, ChainID("os")}), []digest.Digest{ChainID("os")}))
}
