package transfer

import (
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// A choice says what is taken from a source.
type choice struct {
	refs     []string // none means everything
	platform ocispec.Platform
	// alone leaves out what is about the images.
	alone bool
	// fit leaves of an image what is wanted of it, or says why it cannot be had.
	fit func(*stored) error
}

// A gatherer collects images, and then what is about them.
type gatherer struct {
	choice
	src Source
	all []*stored
}

// collectAll reads what the images chosen consist of, in their order; then come
// those about them, and about these (rule S1). Of everything with a platform,
// referrers come only with what they are about; those left are returned too.
func collectAll(ctx context.Context, src Source, want choice) (all []*stored, left []digest.Digest, err error) {
	picks, err := pickAll(ctx, src, want.refs)
	if err != nil {
		return nil, nil, class.Wrap(class.Unavailable, err)
	}
	g := &gatherer{choice: want, src: src}
	var waiting []*pick
	for _, p := range picks {
		if len(want.refs) == 0 && !want.alone && !zeroPlatform(want.platform) && p.isReferrer() {
			waiting = append(waiting, p)
			continue
		}
		if err := g.add(ctx, p); err != nil {
			return nil, nil, err
		}
	}
	for i := 0; i < len(g.all) && !want.alone; i++ { // grows on the way
		if err := g.addReferrers(ctx, g.all[i], waiting); err != nil {
			return nil, nil, err
		}
	}
	for _, p := range waiting {
		if g.find(p.image.ID) == nil {
			left = append(left, p.image.ID)
		}
	}
	return g.all, left, nil
}

// isReferrer reports whether the image says what it is about.
func (p *pick) isReferrer() bool {
	return p.image.Subject != "" || slices.ContainsFunc(p.names.all, func(name reference.Named) bool {
		_, ok := refstore.SubjectOf(name)
		return ok
	})
}

// find returns the image with this ID in the source, if it was taken.
func (g *gatherer) find(id digest.Digest) *stored {
	i := slices.IndexFunc(g.all, func(img *stored) bool { return img.id == id })
	if i < 0 {
		return nil
	}
	return g.all[i]
}

// add takes an image, or gives one that was taken more names.
func (g *gatherer) add(ctx context.Context, p *pick) error {
	if old := g.find(p.image.ID); old != nil {
		old.names.add(p.names.all...)
		return nil
	}
	img, err := collect(ctx, g.src, p.image)
	if err != nil {
		return class.Wrap(class.Internal, err)
	}
	img.referrer = p.isReferrer()
	img.names.add(p.names.all...)
	if err := g.fit(img); err != nil {
		return err
	}
	g.all = append(g.all, img)
	return nil
}

// addReferrers takes what is about the image as far as it was taken. Those that
// wait to be taken have all their names, the others get the tags that say what
// they are about.
func (g *gatherer) addReferrers(ctx context.Context, img *stored, waiting []*pick) error {
	found, err := g.referrers(ctx, img)
	if err != nil {
		return class.Wrap(class.Unavailable, err)
	}
	for _, p := range found {
		for _, other := range waiting {
			if other.image.ID == p.image.ID {
				p = other
			}
		}
		if err := g.add(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// referrers finds what is about the image as far as it was taken.
func (g *gatherer) referrers(ctx context.Context, img *stored) (found []*pick, err error) {
	err = g.src.View(ctx, func(stores jettison.Stores) error {
		found = nil
		if stores.Images.Referrers == nil {
			return nil
		}
		ids, err := stores.Images.Referrers.Referrers(ctx, img.id)
		if err != nil {
			return err
		}
		for _, id := range ids {
			record, err := stores.Images.Get(ctx, id)
			if err != nil {
				return err
			}
			names, err := tagsOfImage(ctx, stores, id)
			if err != nil {
				return err
			}
			names = slices.DeleteFunc(names, func(name reference.Named) bool {
				subject, ok := refstore.SubjectOf(name)
				return !ok || !slices.Contains(img.digests, subject)
			})
			if len(names) > 0 || slices.Contains(img.digests, record.Subject) {
				found = append(found, &pick{image: record, names: listOf(names)})
			}
		}
		return nil
	})
	return found, err
}
