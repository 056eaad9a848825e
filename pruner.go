package jettison

import (
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// A pruner plans a prune, or a batch of one, on one state of the stores.
type pruner struct {
	*planner
	policy *pruning
	found  *survey
	turn   candidate // the one of the survey that is being looked at
	// records are those that the survey has read, for who plans on the same
	// state: each is then read once. Nil where others may have worked since.
	records map[digest.Digest]imagestore.Image
	// stopsAtGoal ends the batch with the image that should reach the goal.
	stopsAtGoal bool
}

// Image returns the record of an image that is still there.
func (p *pruner) Image(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	if img, ok := p.records[id]; ok && !p.gone(id) {
		return img, ctx.Err()
	}
	return p.planner.Image(ctx, id)
}

func (s *Service) pruner(stores Stores, policy *pruning) *pruner {
	p := &pruner{planner: s.planner(stores), policy: policy}
	p.spares = p.spareReferrer
	return p
}

// planBatch plans some of the images that the survey has found, and returns how
// many it has looked at.
func (p *pruner) planBatch(ctx context.Context, images []candidate) (*Plan, int, error) {
	plan := &Plan{Removals: make([]Removal, 0, len(images))}
	for i, known := range images {
		if p.stopsAtGoal && p.found.toFree <= 0 {
			return plan, i, nil
		}
		p.turn = known
		img, err := p.Image(ctx, known.id)
		if isNotFound(err) {
			continue // it went as an ancestor, or by another's hand
		}
		var removal Removal
		if err == nil {
			removal, err = p.consider(ctx, img)
		} else if isDamage(err) {
			removal, err = keep(known.id, Kept{Why: WhyUnreadable, Detail: err.Error()}), nil
		}
		if err != nil {
			return nil, 0, err
		}
		if !removal.empty() {
			plan.Removals = append(plan.Removals, removal)
		}
	}
	return plan, len(images), nil
}

// consider plans the removal of one image, or says why it stays: rules P2 to
// P5 and P10.
func (p *pruner) consider(ctx context.Context, img imagestore.Image) (Removal, error) {
	refs, err := p.References(ctx, img.ID)
	if err != nil {
		return Removal{}, err
	}
	if why, err := p.notChosen(ctx, img, refs); err != nil || why != nil {
		return p.keepUnchosen(img.ID, why), err
	}
	if why, err := p.mustStay(ctx, img, refs); err != nil || why != nil {
		return keepFor(img.ID, why), err
	}
	r := Removal{Image: img.ID, Steps: make([]Step, 0, len(refs)+1)}
	p.removeReferences(img.ID)
	for _, ref := range refs {
		r.Steps = append(r.Steps, Step{Image: img.ID, Untag: ref})
	}
	if err := p.take(ctx, &r, img); err != nil {
		return Removal{}, err
	}
	return r, nil
}

// take deletes an image that has no references and that nothing must keep, and
// the ancestors that dangle then, unless children hold it.
func (p *pruner) take(ctx context.Context, r *Removal, img imagestore.Image) error {
	before := len(r.Steps)
	if err := p.deleteQuietly(ctx, r, img, p, conflict.DependentChild, RemoveOptions{}); err != nil {
		return err
	}
	if len(r.Steps) == before {
		return nil
	}
	for _, step := range r.Steps[before:] {
		p.found.toFree -= step.Removed.Size()
	}
	if img.Parent == "" {
		return nil
	}
	return p.takeAncestor(ctx, r, img.Parent)
}

// takeAncestor takes an image whose child has gone, if it dangles now (rule
// P5). Of the filters only "label!" matters for one without references, which
// the others cannot mean; what protects it does.
func (p *pruner) takeAncestor(ctx context.Context, r *Removal, id digest.Digest) error {
	img, err := p.Image(ctx, id)
	if isDamage(err) {
		return nil
	}
	if err != nil {
		return err
	}
	refs, err := p.References(ctx, id)
	if err != nil {
		return err
	}
	if len(refs) > 0 {
		return p.takeReferenced(ctx, r, img, refs)
	}
	if ok, key := p.policy.never.MatchRecord(img); !ok {
		r.Kept = append(r.Kept, Kept{Image: id, Why: WhyFiltered, Detail: key})
		return nil
	}
	why, err := p.awaitsSubject(ctx, img, nil)
	if err == nil && why == nil {
		why, err = p.mustStay(ctx, img, nil)
	}
	if err != nil || why != nil {
		r.Kept = append(r.Kept, keepFor(id, why).Kept...)
		return err
	}
	return p.take(ctx, r, img)
}

// takeReferenced takes an ancestor with references if it dangles all the same,
// for want of tags, or if only its child made it stay when it had its turn.
// Any other has its own turn.
func (p *pruner) takeReferenced(ctx context.Context, r *Removal, img imagestore.Image, refs []reference.Named) error {
	due := !slices.ContainsFunc(refs, isTag)
	if p.policy.all {
		due = p.policy.hasGoal() && p.order()(candidateOf(img), p.turn) < 0
	}
	if !due {
		return nil
	}
	more, err := p.consider(ctx, img)
	r.Steps = append(r.Steps, more.Steps...)
	r.Kept = append(r.Kept, more.Kept...)
	return err
}

// chooses reports whether the filters may choose an image with this record.
func (p *pruner) chooses(img imagestore.Image) bool {
	return p.excludedBy(img) == ""
}

// excludedBy returns the key of the first filter that leaves the image out by
// its record, or nothing.
func (p *pruner) excludedBy(img imagestore.Image) string {
	if ok, key := p.policy.filter.MatchRecord(img); !ok {
		return key
	}
	switch {
	case !p.found.before.IsZero() && (img.Created.IsZero() || !img.Created.Before(p.found.before)):
		return filter.Before
	case !p.found.since.IsZero() && !img.Created.After(p.found.since):
		return filter.Since
	}
	return ""
}

// notChosen says why the image is not among those to prune (rules P2 and P4).
func (p *pruner) notChosen(ctx context.Context, img imagestore.Image, refs []reference.Named) (*Kept, error) {
	if key := p.excludedBy(img); key != "" {
		return &Kept{Why: WhyFiltered, Detail: key}, nil
	}
	if !p.policy.filter.MatchReferences(refs) {
		return &Kept{Why: WhyFiltered, Detail: filter.Reference}, nil
	}
	if why, err := p.awaitsSubject(ctx, img, refs); err != nil || why != nil { // S1, S4
		return why, err
	}
	if p.policy.all {
		return nil, nil
	}
	dangles, err := p.dangles(ctx, img, refs)
	if err != nil || dangles {
		return nil, err
	}
	return &Kept{Why: WhyNotDangling}, nil
}

// mustStay says why an image that was chosen stays all the same: a use (rule
// P3), then the policy (rule P10). Where space is the goal, so does one with
// children: to untag it would free nothing.
func (p *pruner) mustStay(ctx context.Context, img imagestore.Image, refs []reference.Named) (*Kept, error) {
	mask := conflict.InUse
	if p.policy.hasGoal() {
		mask |= conflict.DependentChild
	}
	used, err := conflict.Check(ctx, p, img.ID, mask)
	if isDamagedRecord(err) { // what cannot be read might use it
		p.log.WarnContext(ctx, "record of a use is unreadable", "image", img.ID, "error", err)
		return &Kept{Why: WhyUnreadable, Detail: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	if used != nil {
		return &Kept{Why: WhyConflict, Conflicts: used.Conflicts}, nil
	}
	if pattern, ok := p.policy.protects(refs); ok {
		return &Kept{Why: WhyProtected, Detail: pattern.String()}, nil
	}
	if repository, ok := p.found.newest[img.ID]; ok {
		return &Kept{Why: WhyNewest, Detail: repository}, nil
	}
	if p.policy.isYoung(img) {
		return &Kept{Why: WhyYoung, Detail: p.policy.minAge.String()}, nil
	}
	if p.policy.hasGoal() && p.found.toFree <= 0 {
		return &Kept{Why: WhyGoal}, nil
	}
	return nil, nil
}

// keepUnchosen keeps an image that was not chosen, without a word unless all
// is to be explained or it is orphaned (rule S4).
func (p *pruner) keepUnchosen(id digest.Digest, why *Kept) Removal {
	if why == nil || !p.policy.explain && why.Why != WhyOrphaned {
		return Removal{}
	}
	return keepFor(id, why)
}

func keepFor(id digest.Digest, why *Kept) Removal {
	if why == nil {
		return Removal{}
	}
	return keep(id, *why)
}
