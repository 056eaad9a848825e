package jettison

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// collect has the garbage of an update collected, if the store does so, and takes
// out of what was done what is there all the same; when that cannot be known, all
// layers and content (rule D12). Failed is the error of the update so far: it comes
// back, and that of the collection only where there is no other.
func (s *Service) collect(ctx context.Context, c change, done []RemoveReport, failed error) error {
	if c.Images.Collector == nil || !slices.ContainsFunc(done, RemoveReport.leavesGarbage) || failed != nil && !s.partial {
		return failed
	}
	there, err := c.Images.Collector.Collect(ctx)
	for i := range done {
		if err == nil {
			err = done[i].revoke(ctx, c)
		}
	}
	kept := make(map[digest.Digest]bool, len(there))
	for _, dgst := range there {
		kept[dgst] = true
	}
	for i := range done {
		done[i].claim(func(dgst digest.Digest) bool { return err == nil && !kept[dgst] })
	}
	switch {
	case err == nil:
		return failed
	case failed != nil:
		s.log.WarnContext(ctx, "it is not known what has gone", "error", err)
		return failed
	}
	return class.Errorf(class.Internal, "collect garbage: %w", err)
}

// leavesGarbage reports whether an image was deleted or replaced.
func (r RemoveReport) leavesGarbage() bool {
	return slices.ContainsFunc(r.done, Step.takesImage)
}

// claim leaves in the report only those layers and that content of which it is
// known that they are gone.
func (r *RemoveReport) claim(gone func(digest.Digest) bool) {
	if r.Records == nil {
		return
	}
	r.Records, r.SpaceReclaimed = r.Records[:0], 0
	for i := range r.done {
		removed := &r.done[i].Removed
		removed.Layers = slices.DeleteFunc(removed.Layers, func(l imagestore.Layer) bool { return !gone(l.ChainID) })
		removed.Content = slices.DeleteFunc(removed.Content, func(c imagestore.Content) bool { return !gone(c.Digest) })
		r.Records = r.done[i].appendRecords(r.Records)
		r.SpaceReclaimed += removed.Size()
	}
}

// revoke takes back that images were deleted which another program has named again
// meanwhile, and reports them as kept. After an error it has done so with those of
// which it is known.
func (r *RemoveReport) revoke(ctx context.Context, c change) (err error) {
	r.done = slices.DeleteFunc(r.done, func(step Step) (is bool) {
		if err == nil {
			is, err = c.isBack(ctx, step)
		}
		if is {
			r.Kept = append(slices.Clip(r.Kept), Kept{Image: step.Image, Why: WhyNamed})
		}
		return is
	})
	return err
}

// isBack reports whether the step has deleted an image that is there.
func (c change) isBack(ctx context.Context, step Step) (bool, error) {
	if !step.deletes() {
		return false, nil
	}
	_, err := c.Images.Get(ctx, step.Image)
	switch {
	case isNotFound(err):
		return false, nil
	case isDamage(err):
		return true, nil
	}
	return err == nil, err
}
