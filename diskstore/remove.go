package diskstore

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kvstore"
)

const (
	// removalChunk is how many marks are read at once, so that memory is bounded
	// and no view is long.
	removalChunk = 1024
	// manyFiles are removed by several goroutines: a file system frees the
	// space of one while it looks for the name of the next. Fewer are not worth
	// it.
	manyFiles = 64
	removers  = 4
)

// A failure says how many files could not be removed, and the first error.
type failure struct {
	files int
	err   error
}

func (f *failure) add(other failure) {
	if f.err == nil {
		f.err = other.err
	}
	f.files += other.files
}

// removeGarbage removes the file of each content that is marked and not
// pinned. It stops with the context. What cannot be removed is noted and left
// for the next time; the error is that of the context, or of reading the marks.
func (s *Store) removeGarbage(ctx context.Context) error {
	var failed failure
	before := s.failures.total()
	err := s.eachGarbage(ctx, func(chunk []digest.Digest) error {
		if settled, err := s.settle(ctx, chunk); err != nil || !settled {
			return err
		}
		failed.add(s.removeFiles(ctx, chunk))
		if err := ctx.Err(); err != nil {
			return class.Wrap(class.Unavailable, err)
		}
		s.finish(ctx, clearLimit)
		return nil
	})
	if err != nil && ctx.Err() == nil {
		failed.add(failure{err: err})
	}
	switch {
	case failed.err != nil:
		s.note(failed)
	case err == nil:
		s.failures.clear(before)
	}
	return err
}

// settle makes sure that the records which say that this content is garbage are
// durable, and reports whether they are: of content that is held by now there
// are none.
func (s *Store) settle(ctx context.Context, garbage []digest.Digest) (bool, error) {
	for s.doubts.any() { // others may fail meanwhile
		marked, err := s.edit(ctx, func(tx *kvstore.Tx) error { return tx.Images.MarkGarbage(ctx, garbage...) })
		if err != nil || len(marked) == 0 {
			return false, err
		}
	}
	return true, nil
}

// eachGarbage calls fn with the content that is garbage, neither pinned nor
// gone, in order and some at a time.
func (s *Store) eachGarbage(ctx context.Context, fn func([]digest.Digest) error) error {
	for after := digest.Digest(""); ; {
		chunk, err := s.marked(ctx, after)
		if err != nil || len(chunk) == 0 {
			return err
		}
		if err := fn(chunk); err != nil {
			return err
		}
		after = chunk[len(chunk)-1]
	}
}

// marked returns the next content that is garbage, neither pinned nor gone.
func (s *Store) marked(ctx context.Context, after digest.Digest) ([]digest.Digest, error) {
	var chunk []digest.Digest
	err := s.Read(ctx, func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Garbage(ctx) {
			if err != nil {
				return err
			}
			if content <= after || s.garbage.settled(content) {
				continue
			}
			held, err := tx.Images.HoldsContent(ctx, content)
			if err != nil {
				return err
			}
			if !held {
				chunk = append(chunk, content)
			}
			if len(chunk) == removalChunk {
				break
			}
		}
		return nil
	})
	return chunk, err
}

// removeFiles removes the files of these contents where they are garbage still
// and not pinned, until the context ends.
func (s *Store) removeFiles(ctx context.Context, contents []digest.Digest) failure {
	var failed failure
	var mu sync.Mutex
	var next atomic.Int64
	whole := context.WithoutCancel(ctx) // one file is removed or not
	remove := func() {
		for i := int(next.Add(1)) - 1; i < len(contents) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
			if err := s.removeContent(whole, contents[i]); err != nil {
				mu.Lock()
				failed.add(failure{1, err})
				mu.Unlock()
			}
		}
	}
	var wg sync.WaitGroup
	if len(contents) >= manyFiles {
		for range removers - 1 {
			wg.Go(remove)
		}
	}
	remove()
	wg.Wait()
	return failed
}

// removeContent removes the file of content if it is garbage still and not
// pinned.
func (s *Store) removeContent(ctx context.Context, content digest.Digest) error {
	return s.garbage.removeUnpinned(content, func() (bool, error) { return s.removeFile(ctx, content) })
}

// removeFile removes the file of content if it is garbage still, and durably,
// and says whether the file is gone. Nobody can take the content meanwhile, so
// it remains garbage when a commit under way has marked it anew. A mark that names
// no file is one whose file is gone.
func (s *Store) removeFile(ctx context.Context, content digest.Digest) (bool, error) {
	path, err := s.files.path(content)
	if err != nil {
		s.log.Warn("a mark of content to remove names none", "error", err)
		return true, nil
	}
	still, err := s.isGarbage(ctx, content)
	if err != nil || !still || s.doubts.remain(content) {
		return false, err
	}
	if err := s.files.remove(path); err != nil {
		return false, err
	}
	return true, nil
}

func (s *Store) isGarbage(ctx context.Context, content digest.Digest) (garbage bool, err error) {
	err = s.Read(ctx, func(tx *kvstore.Tx) error {
		garbage, err = tx.Images.IsGarbage(ctx, content)
		return err
	})
	return garbage, err
}
