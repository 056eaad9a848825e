package jettison

import (
	"context"
	"slices"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// A Selection is the images that filters choose, by the rules by which a prune
// chooses (P4, S1, S4), for whoever only lists them. It reads one state of the
// stores, and must not be used after the function to which that was shown, nor by
// several goroutines.
type Selection struct{ pruner *pruner }

// Select looks for the images that the filters name; nil filters choose every
// image. The error is of class NotFound when an image of "before" or "since" is
// not there, and of class InvalidArgument when it does not say when it was created
// or the two contradict each other.
func (s *Service) Select(ctx context.Context, stores Stores, filters *filter.Filter) (*Selection, error) {
	if filters == nil {
		filters = &filter.Filter{}
	}
	p := s.pruner(stores, &pruning{filter: filters})
	p.found = &survey{}
	if err := p.resolveBounds(ctx); err != nil {
		return nil, classify(err)
	}
	return &Selection{p}, nil
}

// Chooses reports whether all filters choose an image, which has these
// references. For "dangling" that is one without tags of its own, without
// children, and not about an image that is there; for "orphaned" one that is
// about images of which none is there, and has no references of its own. The error
// is that of the stores.
func (s *Selection) Chooses(ctx context.Context, img imagestore.Image, refs []reference.Named) (bool, error) {
	chosen, err := s.pruner.selects(ctx, img, refs)
	return chosen, classify(err)
}

// selects is [Selection.Chooses].
func (p *pruner) selects(ctx context.Context, img imagestore.Image, refs []reference.Named) (bool, error) {
	if p.excludedBy(img) != "" || !p.policy.filter.MatchReferences(refs) {
		return false, nil
	}
	standing, err := p.standing(ctx, img, refs)
	if err != nil {
		return false, err
	}
	if want, given := p.policy.filter.Orphaned(); given && want != (standing == orphaned) {
		return false, nil
	}
	want, given := p.policy.filter.Dangling()
	if !given {
		return true, nil
	}
	dangles, err := p.dangles(ctx, img, refs)
	return want == (dangles && standing != held), err
}

// A standing is how an image stands to those that it is about.
type standing uint8

const (
	// alone: it is about nothing, or has references of its own beside.
	alone standing = iota
	// held: it is about an image that is there (rule S1).
	held
	// orphaned: it is about images, of which none is there, and has no references
	// of its own (rule S4).
	orphaned
)

// standing is that of an image with these references.
func (o *overlay) standing(ctx context.Context, img imagestore.Image, refs []reference.Named) (standing, error) {
	if o.stores.Images.Referrers == nil || len(aboutOf(img, refs)) == 0 {
		return alone, nil
	}
	isHeld, err := o.isHeld(ctx, img.ID)
	switch {
	case err != nil:
		return alone, err
	case isHeld:
		return held, nil
	case len(o.ownReferences(refs)) == 0:
		return orphaned, nil
	}
	return alone, nil
}

// dangles reports whether an image has neither tags of its own nor children (rule
// P2).
func (o *overlay) dangles(ctx context.Context, img imagestore.Image, refs []reference.Named) (bool, error) {
	if slices.ContainsFunc(o.ownReferences(refs), isTag) {
		return false, nil
	}
	children, err := o.Children(ctx, img.ID)
	return len(children) == 0, err
}
