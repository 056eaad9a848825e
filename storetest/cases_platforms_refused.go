package storetest

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

func replaceNothing(ctx context.Context, p *probe) error {
	id := newMulti().Image().ID()
	return p.unchanged(ctx, func() error {
		want, err := p.foretold(ctx, nil)
		if err := firstError(err, same("ID that Without foretells", want.ID, id)); err != nil {
			return err
		}
		got, removed, err := p.replaced(ctx, id, nil)
		return firstError(err, same("what Replace returns", text(got), text(want)),
			same("what went", len(removed.Layers)+len(removed.Content), 0))
	})
}

func refusedPlatforms(ctx context.Context, p *probe) error {
	multi, plain := newMulti().Image().ID(), p.state.Images[2].ID()
	return p.unchanged(ctx, func() error {
		for _, c := range []struct {
			what, class string
			index       digest.Digest
			manifests   []digest.Digest
		}{
			{"of an image that is no index", "InvalidArgument", plain, arm()},
			{"of all manifests", "InvalidArgument", multi, manifests(0, 1, 2, 3, 4)},
			{"of an image that is not there", "NotFound", missing(), arm()},
			{"of a manifest that is not there", "NotFound", multi, []digest.Digest{arm()[0], missing()}},
			{"of an index within", "NotFound", multi, []digest.Digest{newMulti().Indexes[0].Image().ID()}},
		} {
			err := p.backend.Update(ctx, func(stores jettison.Stores) error {
				indexes, err := able(stores.Images.Platforms)
				if err != nil {
					return err
				}
				_, err = indexes.Without(ctx, c.index, c.manifests)
				if err := classed("Without "+c.what, err, c.class); err != nil {
					return err
				}
				_, removed, err := indexes.Replace(ctx, c.index, c.manifests)
				return firstError(classed("Replace "+c.what, err, c.class), same("what went", len(removed.Layers)+len(removed.Content), 0))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func replaceInView(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		if _, err := p.foretold(ctx, arm()); err != nil {
			return err
		}
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			indexes, err := able(stores.Images.Platforms)
			if err != nil {
				return err
			}
			if _, _, err := indexes.Replace(ctx, newMulti().Image().ID(), arm()); err == nil {
				return errors.New("replacing an index through a View: got no error")
			}
			return nil
		})
	})
}

func replaceAndFail(ctx context.Context, p *probe) error {
	failure := errors.New("made to fail")
	return p.unchanged(ctx, func() error {
		err := p.backend.Update(ctx, func(stores jettison.Stores) error {
			indexes, err := able(stores.Images.Platforms)
			if err == nil {
				_, _, err = indexes.Replace(ctx, newMulti().Image().ID(), arm())
			}
			return firstError(err, failure)
		})
		if errors.Is(err, failure) {
			return nil
		}
		return firstError(err, errors.New("the update did not fail"))
	})
}

func cancelledPlatforms(ctx context.Context, p *probe) error {
	index, ended := newMulti().Image().ID(), cancelled(ctx)
	return p.unchanged(ctx, func() error {
		return p.backend.Update(ctx, func(stores jettison.Stores) error {
			indexes, err := able(stores.Images.Platforms)
			if err != nil {
				return err
			}
			_, without := indexes.Without(ended, index, arm())
			_, _, replace := indexes.Replace(ended, index, arm())
			return firstError(cancelledError("Without", without), cancelledError("Replace", replace))
		})
	})
}
