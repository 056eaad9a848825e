package diskstore

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/kvstore"
)

// clearLimit is how many marks of removed files are cleared at once. Before
// that their directories are synced, so that no file comes back without a mark
// after a power failure; in bulk that costs nothing.
const clearLimit = 128

// edit is Edit without the removal of files. It returns the content that is
// marked as garbage now, and clears marks on the way when there are many.
func (s *Store) edit(ctx context.Context, fn func(*kvstore.Tx) error) ([]digest.Digest, error) {
	var marked []digest.Digest
	succeeded := false // fn has, in its last run
	failures := s.doubts.failures()
	err := s.clear(ctx, s.garbage.due(clearLimit), func(tx *kvstore.Tx) error {
		s.doubts.end(marked, false) // of a run that lost a race
		marked, succeeded = nil, false
		if err := fn(tx); err != nil {
			return err
		}
		marked, succeeded = tx.Images.Marked(), true
		s.doubts.begin(marked)
		return nil
	})
	s.doubts.end(marked, succeeded && err != nil)
	switch {
	case err != nil && succeeded:
		s.failures.add(err) // so that someone looks for garbage
		return nil, err
	case err != nil:
		return nil, err
	case len(marked) > 0: // then something was written
		s.doubts.settle(failures)
	}
	return marked, nil
}

// finish clears the marks whose files are gone, if there are as many as least.
// Those that it cannot clear wait for the next time.
func (s *Store) finish(ctx context.Context, least int) {
	due := s.garbage.due(least)
	if due == nil {
		return
	}
	if err := s.clear(ctx, due, func(*kvstore.Tx) error { return nil }); err != nil && ctx.Err() == nil {
		s.log.Warn("cannot clear the marks of removed content", "error", err)
	}
}

// clear runs fn in a transaction that also clears the marks of the files that
// are gone, if any are due.
func (s *Store) clear(ctx context.Context, due []removal, fn func(*kvstore.Tx) error) error {
	if due == nil {
		return s.records.Edit(ctx, fn)
	}
	var done []removal
	defer func() { s.garbage.cleared(done) }()
	if err := s.files.sync(contentsOf(due)); err != nil {
		s.log.Warn("cannot make the removal of content durable", "error", err)
		return s.records.Edit(ctx, fn)
	}
	err := s.records.Edit(ctx, func(tx *kvstore.Tx) error {
		// What a pin may have brought back since stays marked. It is asked in
		// the transaction: an ingest pins before it marks, so its marks come
		// after this one, or it is known here.
		if err := tx.Images.ClearGarbage(ctx, s.garbage.standing(due)...); err != nil {
			return err
		}
		return fn(tx)
	})
	if err == nil {
		done = due
	}
	return err
}

// sweep removes the files of these contents where they are garbage, or leaves
// that to the background. It happens after something is durable, so it does not
// stop with the context and does not fail.
func (s *Store) sweep(ctx context.Context, contents []digest.Digest) {
	if s.background != nil {
		if len(contents) > 0 || s.doubts.any() {
			s.background.wake()
		}
		return
	}
	ctx = context.WithoutCancel(ctx)
	if s.failures.due() || s.doubts.any() {
		_ = s.removeGarbage(ctx) // is noted
		return
	}
	s.note(s.removeFiles(ctx, contents))
	s.finish(ctx, removalChunk)
}

// note takes down whether a removal failed, and logs why.
func (s *Store) note(failed failure) {
	if failed.err == nil {
		return
	}
	s.failures.add(failed.err)
	if s.background != nil {
		s.background.wake() // it may have been someone else who failed
	}
	s.log.Warn("cannot remove content that nothing holds; it is tried again later", "files", failed.files, "error", failed.err)
}
