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

// deleteReferrers deletes what is about an image that goes, and what is about
// that, each with all its references, by ID (rule S2). What is about another
// image too goes with the last; what something holds stays.
func (p *planner) deleteReferrers(ctx context.Context, r *Removal, id digest.Digest, opts RemoveOptions) error {
	referrers, err := p.Referrers(ctx, id)
	if err != nil {
		return err
	}
	for _, referrer := range referrers {
		if p.gone(referrer) {
			continue // it went with another one
		}
		if err := p.deleteReferrer(ctx, r, referrer, opts); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) deleteReferrer(ctx context.Context, r *Removal, id digest.Digest, opts RemoveOptions) error {
	img, err := p.Image(ctx, id)
	if isDamage(err) {
		r.Kept = append(r.Kept, Kept{Image: id, Why: WhyUnreadable, Detail: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	if stays, err := p.staysReferrer(ctx, r, id); stays || err != nil { // S1
		return err
	}
	refs, err := p.References(ctx, id)
	if err != nil {
		return err
	}
	why, err := p.referrerStays(ctx, img, refs)
	if err != nil || why != nil {
		r.Kept = append(r.Kept, keepFor(id, why).Kept...)
		return err
	}
	for _, ref := range refs {
		p.untag(r, ref, id)
	}
	return p.deleteImage(ctx, r, img, opts)
}

// referrerStays says why a referrer whose subject goes stays: a use or a child, a
// reference of its own (rule S3), or what a prune keeps.
func (p *planner) referrerStays(ctx context.Context, img imagestore.Image, refs []reference.Named) (*Kept, error) {
	found, err := conflict.Check(ctx, p, img.ID, conflict.InUse|conflict.DependentChild)
	switch {
	case isDamagedRecord(err): // what cannot be read might use it
		return &Kept{Why: WhyUnreadable, Detail: err.Error()}, nil
	case err != nil:
		return nil, err
	case found != nil:
		return &Kept{Why: WhyConflict, Conflicts: found.Conflicts}, nil
	}
	if own := p.ownReferences(refs); len(own) > 0 {
		why := &Kept{Why: WhyConflict}
		for _, ref := range own {
			why.Conflicts = append(why.Conflicts, conflict.Conflict{Kind: conflict.ActiveReference, Reference: ref})
		}
		return why, nil
	}
	if p.spares != nil {
		return p.spares(img, refs), nil
	}
	return nil, nil
}

// Referrers returns the images that are still there and about the image, or were
// when it was there.
func (o *overlay) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	if o.stores.Images.Referrers == nil {
		return nil, nil
	}
	ids, err := eachOrigin(o, id, func(id digest.Digest) ([]digest.Digest, error) { return o.stores.Images.Referrers.Referrers(ctx, id) })
	if err != nil {
		return nil, err
	}
	var still []digest.Digest
	for _, referrer := range o.replaced.become(ids) {
		if referrer == id || o.gone(referrer) {
			continue
		}
		about, lost, err := o.about(ctx, referrer)
		if err != nil {
			return nil, err
		}
		related, err := o.relates(ctx, referrer, id, about, lost)
		if err != nil {
			return nil, err
		}
		if related {
			still = append(still, referrer)
		}
	}
	return still, nil
}

// Subjects returns the images that are still there and that the image is about.
func (o *overlay) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	if o.stores.Images.Referrers == nil {
		return nil, nil
	}
	about, lost, err := o.about(ctx, id)
	if err != nil || len(about) == 0 {
		return nil, err
	}
	subjects, err := eachOrigin(o, id, func(id digest.Digest) ([]digest.Digest, error) { return o.stores.Images.Referrers.Subjects(ctx, id) })
	if err != nil {
		return nil, err
	}
	var there []digest.Digest
	for _, subject := range o.replaced.among(subjects) {
		if subject == id || o.gone(subject) {
			continue
		}
		related, err := o.relates(ctx, id, subject, about, lost)
		if err != nil {
			return nil, err
		}
		if related {
			there = append(there, subject)
		}
	}
	return there, nil
}

// relates reports whether the referrer will still be about the subject, as the store
// says, when it is about these digests. Only a tag that will be lost, or an image
// that takes the place of an index, can have changed that.
func (o *overlay) relates(ctx context.Context, referrer, subject digest.Digest, about []digest.Digest, lost bool) (bool, error) {
	if !lost && !o.replaced.isNew(referrer) && !o.replaced.isNew(subject) {
		return true, nil
	}
	return o.has(ctx, subject, about)
}

// has reports whether one of the digests is the image's, or of what it holds. Of
// one whose record cannot be read the ID alone is known.
func (o *overlay) has(ctx context.Context, id digest.Digest, digests []digest.Digest) (bool, error) {
	img, isNew := o.replaced.made[id]
	if !isNew {
		var err error
		if img, err = o.stores.Images.Get(ctx, id); isDamage(err) {
			img = imagestore.Image{ID: id}
		} else if err != nil {
			return false, err
		}
	}
	has := img.Digests()
	return slices.ContainsFunc(digests, func(dgst digest.Digest) bool { return slices.Contains(has, dgst) }), nil
}

// about are the digests that the image is about, by its record and by the tags
// that it still has (rule S5); none for one that is not a referrer. Of one whose
// record cannot be read the tags alone are known. Lost says that the store knows
// of a tag that it will no longer have.
func (o *overlay) about(ctx context.Context, id digest.Digest) (about []digest.Digest, lost bool, err error) {
	if o.stores.Images.Referrers == nil {
		return nil, false, nil
	}
	img, err := o.Image(ctx, id)
	if err != nil && !isDamage(err) {
		return nil, false, err
	}
	refs, err := o.References(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if len(o.refs) > 0 || o.images[id]&untagged != 0 {
		lost, err = o.lostTag(ctx, id)
	}
	return aboutOf(img, refs), lost, err
}

// lostTag reports whether a tag of the image that says what it is about will be
// gone.
func (o *overlay) lostTag(ctx context.Context, id digest.Digest) (bool, error) {
	refs, err := o.stores.References.References(ctx, id)
	return slices.ContainsFunc(refs, func(ref reference.Named) bool {
		return isAbout(ref) && (o.refs[ref.String()] || o.images[id]&untagged != 0)
	}), err
}

func aboutOf(img imagestore.Image, refs []reference.Named) []digest.Digest {
	var about []digest.Digest
	if img.Subject != "" {
		about = append(about, img.Subject)
	}
	for _, ref := range refs {
		if subject, ok := refstore.SubjectOf(ref); ok {
			about = append(about, subject)
		}
	}
	return about
}

// ownReferences are the references that name an image for its own sake, and not
// for what it is about (rule S5).
func (o *overlay) ownReferences(refs []reference.Named) []reference.Named {
	if o.stores.Images.Referrers == nil || !slices.ContainsFunc(refs, isAbout) {
		return refs
	}
	return slices.DeleteFunc(slices.Clone(refs), isAbout)
}

// isAbout reports whether the reference names its image for what that is about.
func isAbout(ref reference.Named) bool {
	_, about := refstore.SubjectOf(ref)
	return about
}

// isOwnTag reports whether ref is a tag, and one that is its image's own.
func (o *overlay) isOwnTag(ref reference.Named) bool {
	return isTag(ref) && len(o.ownReferences([]reference.Named{ref})) > 0
}

// staysReferrer reports whether an image stays for what it is about is there
// (rule S1), and notes it.
func (p *planner) staysReferrer(ctx context.Context, r *Removal, id digest.Digest) (bool, error) {
	held, err := p.isHeld(ctx, id)
	if err != nil || !held {
		return false, err
	}
	why, err := p.keptReferrer(ctx, id)
	r.Kept = append(r.Kept, why)
	return true, err
}

func (p *planner) keptReferrer(ctx context.Context, id digest.Digest) (Kept, error) {
	subjects, err := p.Subjects(ctx, id)
	if err != nil || len(subjects) == 0 {
		return Kept{}, err
	}
	return Kept{Image: id, Why: WhyReferrer, Detail: conflict.Short(subjects[0].String())}, nil
}

// isHeld reports whether the image is about one that is there (rule S1). Images
// that are about each other in a circle, and about nothing else, hold nothing.
func (o *overlay) isHeld(ctx context.Context, id digest.Digest) (bool, error) {
	seen := map[digest.Digest]bool{id: true}
	subjects, err := o.Subjects(ctx, id)
	for len(subjects) > 0 && err == nil {
		next := subjects[len(subjects)-1]
		subjects = subjects[:len(subjects)-1]
		if seen[next] {
			continue
		}
		seen[next] = true
		var more []digest.Digest
		if more, err = o.Subjects(ctx, next); len(more) == 0 && err == nil {
			return true, nil
		}
		subjects = append(subjects, more...)
	}
	return false, err
}

// awaitsSubject says why a prune does not choose a referrer: what it is about is
// there (rule S1), or it is missing and the prune was not asked for such images
// (rule S4). With the filter "orphaned" it chooses nothing else.
func (p *pruner) awaitsSubject(ctx context.Context, img imagestore.Image, refs []reference.Named) (*Kept, error) {
	standing, err := p.standing(ctx, img, refs)
	if err != nil {
		return nil, err
	}
	wanted, given := p.policy.filter.Orphaned()
	switch {
	case standing == held:
		why, err := p.keptReferrer(ctx, img.ID)
		return &why, err
	case given && wanted != (standing == orphaned):
		return &Kept{Why: WhyFiltered, Detail: filter.Orphaned}, nil
	case standing == orphaned && !given:
		return &Kept{Why: WhyOrphaned}, nil
	}
	return nil, nil
}

// spareReferrer says why a prune leaves a referrer whose subject goes: "label!"
// excludes it, or it is protected. The other filters and policies are for the
// subject to pass.
func (p *pruner) spareReferrer(img imagestore.Image, refs []reference.Named) *Kept {
	if ok, key := p.policy.never.MatchRecord(img); !ok {
		return &Kept{Why: WhyFiltered, Detail: key}
	}
	if pattern, ok := p.policy.protects(refs); ok {
		return &Kept{Why: WhyProtected, Detail: pattern.String()}
	}
	return nil
}
