package jettison

import (
	"context"
	"log/slog"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
)

// ImageDelete removes the image that imageRef means, or only that reference to
// it: what `docker rmi` does, by rules D1 to D17.
//
// A reference is removed, and the image with it when that was its last one and
// nothing uses the image. An ID deletes the image with all its references, if
// nothing stands in the way.
//
// It returns the records of what was done, in the order of rule D10; on success
// the list is never nil. A refusal is a [*conflict.Error] with everything that
// stands in the way. On any error nothing has changed and there are no records,
// except over a [Partial] backend: work stops there at the first error, and the
// records of what was done come back with it (rule D14).
//
// Cancelling ctx before the commit leaves everything as it was; once the commit
// has begun it no longer matters.
func (s *Service) ImageDelete(ctx context.Context, imageRef string, opts RemoveOptions) ([]DeleteResponse, error) {
	reports, err := s.ImagesDelete(ctx, []string{imageRef}, opts)
	if err != nil || len(reports) == 0 {
		return recordsOf(reports), err
	}
	return reports[0].Records, reports[0].Err
}

// ImagesDelete removes several images or references in one call. They are
// resolved and removed one after another, each against what the one before
// left; one that fails does not stop the next, and its report has the error;
// the same name given twice is removed once (rule D16).
//
// The returned error is that of the call as a whole: nothing has changed then,
// except over a [Partial] backend, where the reports say what was done (rule
// D14). All removals share one transaction.
func (s *Service) ImagesDelete(ctx context.Context, imageRefs []string, opts RemoveOptions) ([]RemoveReport, error) {
	return s.execute(ctx, request{references: slices.Clone(imageRefs), options: opts}, nil)
}

// PlanDelete says what [Service.ImagesDelete] would do now, and changes
// nothing. What stands in the way of a reference is in its [Removal]; the
// returned error is that of the stores.
func (s *Service) PlanDelete(ctx context.Context, imageRefs []string, opts RemoveOptions) (*Plan, error) {
	var plan *Plan
	err := s.backend.View(ctx, func(stores Stores) (err error) {
		plan, err = s.plan(ctx, stores, request{references: slices.Clone(imageRefs), options: opts})
		return err
	})
	if err != nil {
		return nil, classify(err)
	}
	return plan, nil
}

// A planner plans removals, one after another, on one state of the stores.
type planner struct {
	*overlay
	platforms PlatformMatcher
	log       *slog.Logger
	// spares says why a referrer stays when its subject goes (rule S2); nil when
	// nothing but its uses and its tags can say so.
	spares func(img imagestore.Image, refs []reference.Named) *Kept
}

func (s *Service) planner(stores Stores) *planner {
	return &planner{overlay: newOverlay(stores, s.now()), platforms: s.platforms, log: s.log}
}

// removal plans the removal of what typed means, unless something was removed
// by that name.
func (p *planner) removal(ctx context.Context, typed string, opts RemoveOptions, named names) (Removal, error) {
	r := Removal{Reference: typed}
	again, err := p.repeats(ctx, typed, named)
	if again || err != nil {
		return r, err
	}
	t, err := p.resolve(ctx, typed, opts.Platforms)
	if opts.Ignore && isNotFound(err) { // D17
		return r, nil
	}
	if err == nil {
		err = p.canRemoveContainers(opts)
	}
	if err == nil {
		r.Image = t.id
		err = p.remove(ctx, &r, t, opts)
	}
	if len(r.Steps) == 0 && isRefusal(err) {
		r.Err, err = classify(err), nil
	}
	if err == nil && r.Err == nil {
		named.add(t)
	}
	r.Kept = r.staying()
	return r, err
}

// isRefusal reports whether err concerns only the reference at hand. So does a
// damaged record: the next reference may have nothing to do with it. A store
// that fails, or a context that has ended, stops everything.
func isRefusal(err error) bool {
	return class.Is(err, class.InvalidArgument) || class.Is(err, class.NotFound) || class.Is(err, class.Conflict) ||
		isDamagedRecord(err)
}

// isDamagedRecord reports whether err says that one record is unreadable, be it of
// an image, a container or a lease.
func isDamagedRecord(err error) bool {
	var damage *record.DamageError
	return errors.As(err, &damage)
}

// names are those by which something was removed, so that nothing is removed
// twice by one name (rule D16). What a text meant is known by how it was
// resolved then: the beginning of an ID may look like a name.
type names map[string]bool

func (n names) add(t target) {
	if t.ref != nil {
		n[t.ref.String()] = true
		for _, tag := range t.tags {
			n[tag.String()] = true
		}
		return
	}
	n[t.id.String()] = true
	n[idPrefixKey(t.typed)] = true
}

// repeats reports whether something was removed by this name. What is no name at
// all repeats none.
func (p *planner) repeats(ctx context.Context, typed string, named names) (bool, error) {
	if len(named) == 0 {
		return false, nil
	}
	if id, ok := fullID(typed); ok {
		return named[id.String()], nil
	}
	if named[idPrefixKey(typed)] {
		return true, nil
	}
	ref, err := p.name(ctx, typed)
	if class.Is(err, class.InvalidArgument) {
		return false, nil
	}
	return err == nil && named[ref.String()], err
}

// idPrefixKey tells the beginning of an ID from a name.
func idPrefixKey(typed string) string { return "ID " + typed }

func (p *planner) remove(ctx context.Context, r *Removal, t target, opts RemoveOptions) error {
	if going := p.going(t, opts.Platforms); len(going) > 0 { // M2
		return p.removePlatforms(ctx, r, t, going, opts)
	}
	if t.ref != nil {
		return p.removeByReference(ctx, r, t, opts)
	}
	return p.removeByID(ctx, r, t, opts)
}

// removeByReference removes the reference that was named, and what follows from
// that: rules D1 to D5.
func (p *planner) removeByReference(ctx context.Context, r *Removal, t target, opts RemoveOptions) error {
	refs, err := p.References(ctx, t.id)
	if err != nil {
		return err
	}
	going, rest := t.going(refs)
	if len(rest) == 0 && t.image != nil { // D17
		if err := p.clearUses(ctx, r, t.id, going, opts); err != nil {
			return err
		}
	}
	if !opts.Force && (isSingle(refs) || t.tags != nil && len(rest) == 0) { // D1, R10
		if err := p.refuseInUse(ctx, t); err != nil {
			return err
		}
	}
	for _, ref := range going {
		p.untag(r, ref, t.id)
	}
	if len(rest) > 0 || t.image == nil { // D4, R5
		return nil
	}
	if stays, err := p.staysReferrer(ctx, r, t.id); err != nil || stays { // S1
		return err
	}
	if opts.Force { // D5
		return p.deleteQuietly(ctx, r, *t.image, forced{p}, conflict.Hard|conflict.StoppedContainer, opts)
	}
	return p.deleteQuietly(ctx, r, *t.image, p, conflict.Hard|conflict.Soft, opts)
}

// forced are facts without the stopped containers that do not keep their image.
type forced struct{ conflict.Facts }

func (f forced) Containers(ctx context.Context, image digest.Digest) ([]Container, error) {
	all, err := f.Facts.Containers(ctx, image)
	return slices.DeleteFunc(slices.Clone(all), func(c Container) bool {
		return c.Kind() == conflict.StoppedContainer && !c.Keeps
	}), err
}

// going are the references that go when the target is removed by its reference,
// and the rest of those to its image: rules D2 and D3, and R10.
func (t target) going(refs []reference.Named) (going, rest []reference.Named) {
	going = []reference.Named{t.ref}
	if t.tags != nil {
		going = slices.Clone(t.tags)
	}
	rest = refs
	for _, ref := range going {
		rest = without(rest, ref)
	}
	if tag := going[0]; isTag(tag) && !hasTagOf(tag, rest) { // D3
		for _, ref := range digestsOf(tag, rest) {
			going, rest = append(going, ref), without(rest, ref)
		}
	}
	return going, rest
}

// refuseInUse refuses to remove the only reference to an image in use (rule D1).
func (p *planner) refuseInUse(ctx context.Context, t target) error {
	found, err := conflict.Check(ctx, p, t.id, conflict.InUse)
	if err != nil || found == nil {
		return err
	}
	found.Reference = t.typed
	return found
}

// removeByID deletes the image that was named by its ID: rules D6 to D8.
func (p *planner) removeByID(ctx context.Context, r *Removal, t target, opts RemoveOptions) error {
	refs, err := p.References(ctx, t.id)
	if err != nil {
		return err
	}
	mask := conflict.Hard // D8
	switch {
	case opts.Force:
	case isSingle(refs):
		mask |= conflict.StoppedContainer // D6
	default:
		mask |= conflict.Soft // D7
	}
	if opts.RemoveContainers { // D17
		mask &^= byContainers
	}
	found, err := conflict.Check(ctx, p, t.id, mask)
	switch {
	case err != nil:
		return err
	case found != nil:
		return found
	}
	if err := p.removeUsers(ctx, r, t.id, opts); err != nil {
		return err
	}
	for _, ref := range refs {
		p.untag(r, ref, t.id)
	}
	img := imagestore.Image{ID: t.id}
	if t.image != nil {
		img = *t.image
	}
	return p.deleteImage(ctx, r, img, opts)
}

// deleteQuietly deletes an image without references unless a conflict in mask
// stands in the way; then it is kept.
func (p *planner) deleteQuietly(ctx context.Context, r *Removal, img imagestore.Image, facts conflict.Facts, mask conflict.Kind, opts RemoveOptions) error {
	found, err := conflict.Check(ctx, facts, img.ID, mask)
	switch {
	case err != nil:
		return err
	case found != nil:
		r.Kept = append(r.Kept, Kept{Image: img.ID, Why: WhyConflict, Conflicts: found.Conflicts})
		return nil
	}
	return p.deleteImage(ctx, r, img, opts)
}

// deleteImage deletes the image, the layers that nothing else holds (rule D12)
// and, if asked, the ancestors that nothing needs any more. Of an image whose
// record is unreadable there is only the ID.
func (p *planner) deleteImage(ctx context.Context, r *Removal, img imagestore.Image, opts RemoveOptions) error {
	removed, err := p.removeImage(ctx, img)
	if err != nil && !isDamage(err) {
		return err
	}
	if err != nil {
		p.log.WarnContext(ctx, "layers stay behind", "image", img.ID, "error", err)
	}
	r.Steps = append(r.Steps, Step{Image: img.ID, Removed: removed})
	if err := p.deleteReferrers(ctx, r, img.ID, opts); err != nil { // S2
		return err
	}
	if !opts.PruneChildren || img.Parent == "" {
		return nil
	}
	return p.pruneParent(ctx, r, img.Parent, opts)
}

// pruneParent deletes an ancestor quietly when it has no other child, no
// reference and no use; then its own parent (rule D11). A link that leads
// nowhere or in a circle ends the walk.
func (p *planner) pruneParent(ctx context.Context, r *Removal, id digest.Digest, opts RemoveOptions) error {
	parent, err := p.Image(ctx, id)
	switch {
	case err == nil:
		if held, err := p.isHeld(ctx, id); held || err != nil { // S1
			return err
		}
		return p.deleteQuietly(ctx, r, parent, p, conflict.Hard|conflict.Soft, opts)
	case isDamage(err):
		p.log.WarnContext(ctx, "parent image is not pruned", "image", id, "error", err)
		return nil
	default:
		return err
	}
}

// isDamage reports whether err says that a record is missing or unreadable.
func isDamage(err error) bool {
	var unreadable *imagestore.UnreadableError
	return isNotFound(err) || errors.As(err, &unreadable)
}

// untag plans the removal of ref.
func (p *planner) untag(r *Removal, ref reference.Named, id digest.Digest) {
	p.removeReference(ref)
	r.Steps = append(r.Steps, Step{Image: id, Untag: ref})
}
