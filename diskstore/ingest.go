package diskstore

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kvstore"
)

// An Ingest brings content into a store, for one change of the records. What
// it wrote and what it asked for with [Ingest.Has] stays until it ends, even if
// the last image that holds it is deleted meanwhile.
//
// Write and Has may be called by several goroutines. None of its methods may
// be called from within a transaction of the store.
type Ingest struct {
	store *Store

	mu    sync.Mutex
	ended bool
	pins  []digest.Digest
	temps map[digest.Digest]*tempFile
}

var errEnded = class.Errorf(class.InvalidArgument, "this ingest has ended")

// Ingest begins to bring content in. Close must be called in the end.
func (s *Store) Ingest(ctx context.Context) (*Ingest, error) {
	if s.readOnly {
		return nil, class.Errorf(class.InvalidArgument, "store %s is open for reading only", s.dir)
	}
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	return &Ingest{store: s, temps: make(map[digest.Digest]*tempFile)}, nil
}

// Has reports whether the content, of this digest and this size, is in the
// store already, so that it need not be written. Then it stays until the
// Ingest ends. The error is of class InvalidArgument when the digest or the
// size is malformed.
func (in *Ingest) Has(ctx context.Context, want ocispec.Descriptor) (bool, error) {
	if err := check(want); err != nil {
		return false, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.has(ctx, want)
}

// has is Has for who has the lock.
func (in *Ingest) has(ctx context.Context, want ocispec.Descriptor) (bool, error) {
	if in.ended {
		return false, errEnded
	}
	if in.temps[want.Digest] != nil {
		return true, nil
	}
	// The pin comes first: a file seen without one may be gone at once.
	in.store.garbage.pin(want.Digest)
	in.pins = append(in.pins, want.Digest)
	size, ok, err := in.store.files.size(want.Digest)
	if err != nil || !ok || size != want.Size {
		return false, err
	}
	return in.store.knows(ctx, want.Digest)
}

// Write reads content from r to its end, verifies it and makes it durable, and
// returns its descriptor: want with the digest and the size filled in. An
// empty want.Digest means that the digest is unknown; it is SHA-256 then, and
// a want.Size of zero means that the size is unknown too.
//
// Nothing is read from r when the store has the content already; a file that is
// missing or short is replaced. Writing the
// same content twice is no error. Where want.Size is known, at most one byte more
// than that is read.
//
// The error is a [*DigestError] or a [*SizeError] when the content is not what
// want says, of class Unavailable when the disk refuses, and the reader's
// when r fails (of class Unavailable, unless it has one).
func (in *Ingest) Write(ctx context.Context, r io.Reader, want ocispec.Descriptor) (ocispec.Descriptor, error) {
	if want.Digest != "" {
		if has, err := in.Has(ctx, want); err != nil || has {
			return want, err
		}
	} else if want.Size < 0 {
		return want, check(want)
	}
	temp, err := in.store.files.create()
	if err != nil {
		return want, err
	}
	got, err := copyContent(ctx, temp, r, want)
	if err == nil {
		err = in.keep(ctx, temp, got)
	}
	if err != nil {
		in.store.discard(temp)
		return want, err
	}
	return got, nil
}

// keep takes over a temporary file, unless its content is there by now.
func (in *Ingest) keep(ctx context.Context, temp *tempFile, got ocispec.Descriptor) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	has, err := in.has(ctx, got)
	if err != nil {
		return err
	}
	if has {
		in.store.discard(temp)
		return nil
	}
	in.temps[got.Digest] = temp
	return nil
}

// Commit puts the content in place and runs fn in a transaction, as
// [Store.Edit] does, to create the images that hold it; fn may run again after
// a lost race. When Commit returns nil, both are durable, and content that fn
// made nothing hold is removed. On an error nothing has changed, and the content
// is removed.
//
// Commit ends the Ingest either way. The context no longer matters once fn has
// returned.
func (in *Ingest) Commit(ctx context.Context, fn func(*kvstore.Tx) error) error {
	temps, pins, err := in.end()
	if err != nil {
		return err
	}
	defer in.store.release(ctx, temps, pins)
	if err := in.store.mark(ctx, temps); err != nil {
		return err
	}
	if err := in.store.place(temps); err != nil {
		return err
	}
	// All that is pinned: another ingest may have put some of it in place a
	// moment ago.
	if err := in.store.files.sync(pins); err != nil {
		return err
	}
	return in.store.edit(ctx, fn)
}

// Close ends the Ingest. Unless it was committed, what it wrote is removed.
// Closing twice, or after Commit, is no error.
func (in *Ingest) Close() error {
	temps, pins, err := in.end()
	if err != nil {
		return nil //nolint:nilerr // it has ended already
	}
	in.store.release(context.Background(), temps, pins)
	return nil
}

// end takes from the ingest what it has. It can be done once.
func (in *Ingest) end() (map[digest.Digest]*tempFile, []digest.Digest, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return nil, nil, errEnded
	}
	in.ended = true
	return in.temps, in.pins, nil
}

// mark notes durably that the files to come are garbage until something holds
// them.
func (s *Store) mark(ctx context.Context, temps map[digest.Digest]*tempFile) error {
	if len(temps) == 0 {
		return nil
	}
	return s.edit(ctx, func(tx *kvstore.Tx) error {
		return tx.Images.MarkGarbage(ctx, slices.Sorted(maps.Keys(temps))...)
	})
}

// place puts the files where they belong. It takes those from temps that it
// has put there.
func (s *Store) place(temps map[digest.Digest]*tempFile) error {
	for _, content := range slices.Sorted(maps.Keys(temps)) {
		if err := s.files.place(temps[content].file.Name(), content); err != nil {
			return err
		}
		delete(temps, content)
	}
	return nil
}

// release removes the temporary files that are left, ends the pins and removes
// what is garbage now.
func (s *Store) release(ctx context.Context, temps map[digest.Digest]*tempFile, pins []digest.Digest) {
	for _, temp := range temps {
		s.discard(temp)
	}
	s.garbage.unpin(pins)
	if len(pins) > 0 {
		s.sweep(ctx)
	}
}

// discard removes a temporary file. One that cannot be removed waits for the
// next Open.
func (s *Store) discard(temp *tempFile) {
	if err := temp.discard(); err != nil {
		s.log.Warn("cannot remove a temporary file", "error", err)
	}
}
