package diskstore

import (
	"context"
	_ "crypto/sha512" // digests may be SHA-384 and SHA-512
	"log/slog"
	"sync"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// Options configure a [Store]. The zero value of each field is a safe default.
type Options struct {
	// ReadOnly opens the store without changing it. Any number of processes may
	// do so, and one may change the store meanwhile: nobody waits. Each View sees
	// the last state that was durable when it began, in a copy of the records
	// that costs as much time and room as they have bytes.
	ReadOnly bool
	// LockTimeout is how long to wait for another process that has the store
	// open to change it; read-only, how long to try to read records that it
	// changes all the time. The default is one second; a negative value tries
	// once.
	LockTimeout time.Duration
	// BackgroundRemoval leaves the files of content that nothing holds any more
	// to a goroutine of the store: an Update returns once its records are
	// durable, and Open does not wait for what a crash has left. Each such file
	// is marked in the records until it is gone, so none is forgotten.
	// [Store.Pending] tells what is left, [Store.Flush] waits for it, and so
	// does [Store.Close]. Whoever prunes by how full the disk is should call
	// Flush before.
	BackgroundRemoval bool
	// Logger receives warnings about files that could not be removed. The
	// default discards them.
	Logger *slog.Logger
	// Now is the clock by which images are used. The default is time.Now.
	Now func() time.Time
	// NewID makes the ID of a container that comes without one. The default
	// is 32 random bytes as 64 hex digits.
	NewID func() string
}

// A Store is a directory of images: a [jettison.Backend] with the bytes. It is
// safe for concurrent use, but a function that one of its methods runs must not
// call another one: transactions do not nest.
type Store struct {
	dir      string
	readOnly bool
	db       kv.DB
	records  *kvstore.Store
	files    *blobs
	garbage  *garbage
	failures failures
	doubts   *doubts
	// background is nil where an Update removes files itself.
	background *background
	gate       gate
	log        *slog.Logger
	// hasWriter reports whether anybody has the store open for writing.
	hasWriter func() bool
	// engine puts what a test wants between the store and its records.
	engine  func(kv.DB) kv.DB
	closing sync.Once
	closed  error
}

var _ jettison.Backend = (*Store)(nil)

// Dir returns the directory of the store, as an absolute path.
func (s *Store) Dir() string { return s.dir }

// View runs fn on one consistent state, as [jettison.Backend] says.
func (s *Store) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return s.records.View(ctx, fn)
}

// Read is View with the stores in their own types.
func (s *Store) Read(ctx context.Context, fn func(*kvstore.Tx) error) error {
	return s.records.Read(ctx, fn)
}

// Update runs fn and makes all its changes visible and durable together, as
// [jettison.Backend] says. Then the bytes that nothing holds any more are
// removed, before it returns or in the background; what cannot be removed is
// logged, tried again later, and does not fail the Update (rule D12).
func (s *Store) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return s.Edit(ctx, func(tx *kvstore.Tx) error { return fn(tx.Stores()) })
}

// Edit is Update with the stores in their own types. To create an image with
// content use [Ingest.Commit], which makes sure that the bytes are there and
// stay there; Edit does not look.
func (s *Store) Edit(ctx context.Context, fn func(*kvstore.Tx) error) error {
	if err := s.gate.enter(s.dir); err != nil {
		return err
	}
	defer s.gate.leave()
	marked, err := s.edit(ctx, fn)
	if err != nil {
		return err
	}
	s.sweep(ctx, marked)
	return nil
}

// errReadOnly refuses what would change the store.
func (s *Store) errReadOnly() error {
	return class.Errorf(class.InvalidArgument, "store %s is open for reading only", s.dir)
}

// Close frees the store, after the transactions under way have ended. An
// [Ingest] under way can no longer be committed. With
// [Options.BackgroundRemoval] it first removes what is left to be removed; what
// cannot be removed makes a [*PendingError], and the store is closed all the
// same. A second call does nothing and returns what the first one did.
func (s *Store) Close() error { return s.Shutdown(context.Background()) }

// Shutdown is Close that waits for the removal of files no longer than until
// the context ends: the error is then a [*PendingError], which says how much is
// left for the next [Open]. It does wait for transactions under way.
func (s *Store) Shutdown(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.shutdown(ctx) })
	return s.closed
}

func (s *Store) shutdown(ctx context.Context) error {
	s.gate.close()
	var left error
	if s.background != nil {
		s.background.stop()
		left = s.flush(ctx)
	}
	if !s.readOnly {
		s.finish(context.WithoutCancel(ctx), 1)
	}
	if err := s.db.Close(); err != nil {
		return err
	}
	return left
}
