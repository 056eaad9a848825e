package jettison

import (
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
)

// Referrers returns the images about this one that are still there, as far as
// the store knows of such.
func (o *overlay) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	store, ok := o.stores.Images.(ReferrerStore)
	if !ok {
		return nil, nil
	}
	ids, err := store.Referrers(ctx, id)
	return o.remaining(ids), err
}

// Subjects returns the images still there that this one, with these references
// left, is about.
func (o *overlay) Subjects(ctx context.Context, img imagestore.Image, refs []reference.Named) ([]digest.Digest, error) {
	store, ok := o.stores.Images.(ReferrerStore)
	if !ok || !isReferrer(img, refs) {
		return nil, nil
	}
	ids, err := store.Subjects(ctx, img.ID)
	return o.remaining(ids), err
}

// isReferrer reports whether an image with these references is about another, be
// that there or not: by its record, or by a tag of the referrers tag schema
// (rule S5).
func isReferrer(img imagestore.Image, refs []reference.Named) bool {
	return img.Subject != "" || slices.ContainsFunc(refs, isAbout)
}

// ownReferences are the references that name an image for its own sake, and not
// for what it is about.
func ownReferences(refs []reference.Named) []reference.Named {
	if !slices.ContainsFunc(refs, isAbout) {
		return refs
	}
	return slices.DeleteFunc(slices.Clone(refs), isAbout)
}

// isAbout reports whether the reference names its image for what that is about.
func isAbout(ref reference.Named) bool {
	_, about := refstore.SubjectOf(ref)
	return about
}

// staysReferrer notes that an image without references stays all the same, for
// what it is about is there (rule S1), and reports whether it does.
func (p *planner) staysReferrer(ctx context.Context, r *Removal, img imagestore.Image) (bool, error) {
	subjects, err := p.Subjects(ctx, img, nil)
	if err != nil || len(subjects) == 0 {
		return false, err
	}
	r.Kept = append(r.Kept, keptReferrer(img.ID, subjects))
	return true, nil
}

func keptReferrer(id digest.Digest, subjects []digest.Digest) Kept {
	return Kept{Image: id, Why: WhyReferrer, Detail: conflict.Short(subjects[0].String())}
}

// takeReferrers deletes what is about an image that has just been planned to go,
// and what is about that in turn: rule S2.
func (p *planner) takeReferrers(ctx context.Context, r *Removal, subject digest.Digest, opts RemoveOptions) error {
	referrers, err := p.Referrers(ctx, subject)
	if err != nil {
		return err
	}
	for _, id := range referrers {
		img, err := p.Image(ctx, id)
		switch {
		case err == nil:
			err = p.takeReferrer(ctx, r, img, opts)
		case isNotFound(err): // it went with another
			err = nil
		case isDamage(err):
			r.Kept = append(r.Kept, Kept{Image: id, Why: WhyUnreadable, Detail: err.Error()})
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeReferrer deletes an image that is about nothing any more, unless it has
// references of its own (rule S3) or something uses it.
func (p *planner) takeReferrer(ctx context.Context, r *Removal, img imagestore.Image, opts RemoveOptions) error {
	refs, err := p.References(ctx, img.ID)
	if err != nil {
		return err
	}
	subjects, err := p.Subjects(ctx, img, refs)
	if err != nil {
		return err
	}
	if len(subjects) > 0 {
		r.Kept = append(r.Kept, keptReferrer(img.ID, subjects))
		return nil
	}
	mask := conflict.Hard
	if !opts.Force {
		mask |= conflict.StoppedContainer
	}
	found, err := conflict.Check(ctx, p, img.ID, mask)
	if err != nil {
		return err
	}
	if own := ownReferences(refs); found == nil && len(own) > 0 {
		found = &conflict.Error{}
		for _, ref := range own {
			found.Conflicts = append(found.Conflicts, conflict.Conflict{Kind: conflict.ActiveReference, Reference: ref})
		}
	}
	if found != nil {
		r.Kept = append(r.Kept, Kept{Image: img.ID, Why: WhyConflict, Conflicts: found.Conflicts})
		return nil
	}
	for _, ref := range refs {
		p.untag(r, ref, img.ID)
	}
	return p.deleteImage(ctx, r, img, opts)
}

// spared says why a prune leaves an image to what it is about: that is there
// (rule S1), or it is missing and orphans were not asked for (rule S4).
func (p *pruner) spared(ctx context.Context, img imagestore.Image, refs []reference.Named) (*Kept, error) {
	subjects, err := p.Subjects(ctx, img, refs)
	if err != nil {
		return nil, err
	}
	if len(subjects) > 0 {
		kept := keptReferrer(img.ID, subjects)
		return &kept, nil
	}
	orphan := isReferrer(img, refs) && len(ownReferences(refs)) == 0
	wanted, given := p.policy.filter.Orphaned()
	switch {
	case given && orphan != wanted:
		return &Kept{Why: WhyFiltered, Detail: filter.Orphaned}, nil
	case orphan && !given:
		return &Kept{Why: WhyOrphaned}, nil
	}
	return nil, nil
}
