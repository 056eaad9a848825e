package storetest

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// digestCases are the promises of DigestNamer.
func digestCases() []testCase {
	return []testCase{
		{
			name: "digests/by digest", rule: "R10", state: referenced, needs: knowsDigests, f: byDigest,
			explanation: "ByDigest returns the ID of the image that has this digest, whether or not a reference names it",
		},
		{
			name: "digests/missing", rule: "E1", state: referenced, needs: knowsDigests, f: byMissingDigest,
			explanation: "the error of ByDigest is of class NotFound alone when no image has this digest, or has it no more",
		},
		{
			name: "digests/context", state: referenced, needs: knowsDigests, f: cancelledByDigest,
			explanation: "ByDigest obeys its context",
		},
		{
			name: "digests/service", rule: "R10", state: referenced, needs: knowsDigests, f: serviceDigest,
			explanation: "a name with a digest that is no reference means the tags of its repository that name the image of this digest, and nothing where there are none",
		},
	}
}

func byDigest(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		digests, err := able(stores.References.Digests)
		if err != nil {
			return err
		}
		for _, img := range p.state.Images {
			got, err := digests.ByDigest(ctx, p.cfg.Digest(img))
			if err := firstError(err, same("image with this digest", got, img.ID())); err != nil {
				return err
			}
		}
		return nil
	})
}

func byMissingDigest(ctx context.Context, p *probe) error {
	f := newFamily()
	return p.backend.Update(ctx, func(stores jettison.Stores) error {
		digests, err := able(stores.References.Digests)
		if err != nil {
			return err
		}
		if _, err := stores.Images.Delete(ctx, f.lone.ID()); err != nil {
			return err
		}
		for _, dgst := range []digest.Digest{missing(), p.cfg.Digest(Spec{Name: "in no store"}.Image()), p.cfg.Digest(f.lone)} {
			got, err := digests.ByDigest(ctx, dgst)
			if err := firstError(classed("ByDigest", err, "NotFound"), same("the image with it", got, "")); err != nil {
				return err
			}
		}
		return nil
	})
}

func cancelledByDigest(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		digests, err := able(stores.References.Digests)
		if err != nil {
			return err
		}
		_, err = digests.ByDigest(cancelled(ctx), p.cfg.Digest(newFamily().tool))
		return cancelledError("ByDigest", err)
	})
}

func serviceDigest(ctx context.Context, p *probe) error {
	f := newFamily()
	err := p.unchanged(ctx, func() error {
		for _, name := range []string{"app@" + p.cfg.Digest(f.tool).String(), "lone@" + p.cfg.Digest(f.lone).String(), "tool@" + missing().String()} {
			_, err := p.service().ImageDelete(ctx, name, jettison.RemoveOptions{})
			if err := classed("deletion of "+name, err, "NotFound"); err != nil {
				return err
			}
		}
		return nil
	})
	return firstError(err, p.deletes(ctx, "tool@"+p.cfg.Digest(f.tool).String(), jettison.RemoveOptions{},
		append(untagged("tool:2"), deleted(f.tool.ID(), ChainID("os", "tool"))...)...))
}
