package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// Pending is content that nothing holds any more and whose files are still
// there.
type Pending struct {
	// Files is the number of files.
	Files int
	// Bytes is the sum of their sizes.
	Bytes int64
	// Err says why the last attempt to remove some of them failed. It is nil
	// while none has.
	Err error
}

// A PendingError says that content is left that nothing holds any more. The
// records are as they should be; the files go when the store is opened for
// writing next, or before. Its class is Unavailable.
type PendingError struct {
	// Dir is the directory of the store.
	Dir string
	// Pending says how much is left. Its Err may be the context's.
	Pending
}

// Error says how much is left and why.
func (e *PendingError) Error() string {
	return fmt.Sprintf("store %s: %d files of %d bytes that nothing holds are left to be removed, at the latest when the store is opened next: %v",
		e.Dir, e.Files, e.Bytes, e.Err)
}

// Unwrap returns the reason.
func (e *PendingError) Unwrap() error { return e.Err }

// Unavailable marks the error as of class Unavailable.
func (e *PendingError) Unavailable() {}

// Is makes the error match the sentinel of its class.
func (e *PendingError) Is(target error) bool { return target == class.Unavailable }

// Pending returns what is still to be removed: with [Options.BackgroundRemoval]
// what the background has not come to yet, and otherwise what could not be
// removed. Content that an [Ingest] under way keeps is not counted. It looks at
// each such file, and at nothing else.
func (s *Store) Pending(ctx context.Context) (Pending, error) {
	left := Pending{Err: s.failures.current()}
	err := s.eachGarbage(ctx, func(chunk []digest.Digest) error {
		for _, content := range chunk {
			if err := left.add(s.files.path(content)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && left.Files == 0 {
		left.Err = nil
	}
	return left, err
}

// add counts the file at a path, if it is there. A mark that names no file has
// none.
func (p *Pending) add(path string, noPath error) error {
	if noPath != nil {
		return nil //nolint:nilerr // says that there is no file
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unavailable(err)
	}
	p.Files++
	p.Bytes += info.Size()
	return nil
}

// Flush removes, durably, the files of all content that nothing holds, and
// returns when they are gone; what becomes garbage meanwhile may be left. It may
// be called at any time, with and without [Options.BackgroundRemoval]. When the
// context ends first, or a file cannot be removed, the error is a
// [*PendingError] that wraps the reason.
func (s *Store) Flush(ctx context.Context) error {
	if s.readOnly {
		return s.errReadOnly()
	}
	if err := s.gate.enter(s.dir); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.flush(ctx)
}

func (s *Store) flush(ctx context.Context) error {
	err := s.removeGarbage(ctx)
	if err == nil {
		s.finish(ctx, 1)
		err = s.failures.current()
	}
	if err == nil {
		return nil
	}
	left, readErr := s.Pending(context.WithoutCancel(ctx))
	switch {
	case readErr != nil:
		return readErr
	case left.Files == 0 && ctx.Err() == nil: // the background was quicker
		return nil
	case !class.Is(err, class.Unavailable):
		err = errors.New(err.Error()) // not of two classes
	}
	left.Err = err
	return &PendingError{Dir: s.dir, Pending: left}
}
