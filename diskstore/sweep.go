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

// edit is Edit without the removal of files. It clears marks on the way when
// there are many.
func (s *Store) edit(ctx context.Context, fn func(*kvstore.Tx) error) error {
	return s.clear(ctx, s.garbage.due(clearLimit), fn)
}

// finish clears all marks whose files are gone. Those that it cannot clear wait
// for the next Open.
func (s *Store) finish(ctx context.Context) {
	due := s.garbage.due(1)
	if due == nil {
		return
	}
	if err := s.clear(ctx, due, func(*kvstore.Tx) error { return nil }); err != nil {
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

// sweep removes the files of garbage. It happens after something is durable, so
// it does not stop with the context and does not fail.
func (s *Store) sweep(ctx context.Context) {
	if err := s.removeGarbage(context.WithoutCancel(ctx)); err != nil {
		s.log.Warn("cannot look for garbage", "error", err)
	}
}

// removeGarbage removes the file of each content that is marked and not
// pinned. A file that cannot be removed is logged and left for the next time;
// the error is that of reading the marks.
func (s *Store) removeGarbage(ctx context.Context) error {
	marked, err := s.marked(ctx)
	if err != nil {
		return err
	}
	for _, content := range marked {
		err := s.garbage.removeUnpinned(content, func() (bool, error) { return s.removeFile(ctx, content) })
		if err != nil {
			s.log.Warn("cannot remove content that nothing holds", "digest", content, "error", err)
		}
	}
	return nil
}

// marked returns the content that is marked as garbage.
func (s *Store) marked(ctx context.Context) ([]digest.Digest, error) {
	var marked []digest.Digest
	err := s.Read(ctx, func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Garbage(ctx) {
			if err != nil {
				return err
			}
			marked = append(marked, content)
		}
		return nil
	})
	return marked, err
}

// removeFile removes the file of content if it is garbage still, and says
// whether the file is gone. A mark that names no file is one whose file is
// gone.
func (s *Store) removeFile(ctx context.Context, content digest.Digest) (bool, error) {
	path, err := s.files.path(content)
	if err != nil {
		return true, err
	}
	var still bool
	err = s.Read(ctx, func(tx *kvstore.Tx) error {
		still, err = tx.Images.IsGarbage(ctx, content)
		return err
	})
	if err != nil || !still {
		return false, err
	}
	if err := s.files.remove(path); err != nil {
		return false, err
	}
	return true, nil
}
