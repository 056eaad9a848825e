package kvstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// Options configure a [Store]. The zero value of each field is a safe default.
type Options struct {
	// ReadOnly refuses changes: Update and Edit are errors of class
	// InvalidArgument, and New leaves an empty database as it is.
	ReadOnly bool
	// MarkGarbage leaves a mark for content that nothing holds any more, in the
	// transaction in which it went, for whoever keeps the bytes and removes them
	// (see [imagestore.Store.Garbage]). Without it the reports of a deletion are
	// all there is.
	MarkGarbage bool
	// Now is the clock by which images are used. The default is time.Now.
	Now func() time.Time
	// NewID makes the ID of a container that comes without one. The default
	// is 32 random bytes as 64 hex digits.
	NewID func() string
}

// A Store is a [jettison.Backend] over a [kv.DB]. It is safe for concurrent
// use.
type Store struct {
	db       kv.DB
	readOnly bool
	marks    bool
	now      func() time.Time
	newID    func() string
}

var _ jettison.Backend = (*Store)(nil)

// New returns the store in db, and makes an empty db a store. Nil options mean
// the defaults. Closing db stays with the caller.
//
// The error is a [*FormatError] if a newer version wrote the store, and of
// class InvalidArgument if db holds keys but no store, or is nil.
func New(ctx context.Context, db kv.DB, opts *Options) (*Store, error) {
	if db == nil {
		return nil, class.Errorf(class.InvalidArgument, "the store has no database")
	}
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{db: db, readOnly: opts.ReadOnly, marks: opts.MarkGarbage, now: opts.Now, newID: opts.NewID}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = randomID
	}
	if err := s.checkFormat(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// View runs fn on one consistent state, as [jettison.Backend] says. Changing
// it is an error of class Internal.
func (s *Store) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return s.Read(ctx, func(tx *Tx) error { return fn(tx.Stores()) })
}

// Update runs fn and makes all its changes visible and durable together, as
// [jettison.Backend] says.
func (s *Store) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return s.Edit(ctx, func(tx *Tx) error { return fn(tx.Stores()) })
}

// Read is View with the stores in their own types.
func (s *Store) Read(ctx context.Context, fn func(*Tx) error) error {
	return s.db.View(ctx, func(r kv.Reader) error { return fn(s.reader(r)) })
}

// Edit is Update with the stores in their own types. After a lost race fn runs
// again.
func (s *Store) Edit(ctx context.Context, fn func(*Tx) error) error {
	if s.readOnly {
		return class.Errorf(class.InvalidArgument, "the store is open for reading only")
	}
	return s.db.Update(ctx, func(tx kv.Tx) error { return fn(s.writer(tx)) })
}

// randomID is an ID that nobody else makes.
func randomID() string {
	var id [32]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
