// Package boltkv is a [kv.DB] in one file, kept by bbolt.
//
// An Update that returns nil is on disk, unless [Options] say NoSync; one that
// wrote nothing costs no write. All entries lie in one bucket.
//
// One process at a time has the file open for writing; who that is stands in a
// note beside the file, and in the [*LockedError] of the others. Any number may
// read it meanwhile: they read copies and nobody waits for them, but that a
// commit which makes the file outgrow its memory mapping waits until copies under
// way are made, 10 seconds at most.
//
// Updates run one at a time, each until its context ends waiting for its turn.
// Those that wait when one has run its function join its commit: one write and
// one sync are for all. An Update that is alone never waits for others to come.
// At most 256 Updates share a commit, and none joins when a MiB is pending.
//
// A View does not wait for an Update, but a commit that makes the file outgrow
// its memory mapping waits for the Views under way, and later Views wait for
// it: keep Views short. Keys have at most 32,768 bytes and values less than
// 2 GiB.
//
// Damage is an error, a [*DamagedError] that names the file, never a panic or
// a fault (rule E3); an Update that meets it changes nothing, and those that
// share its commit are made without it. What is noticed is what makes a page
// unreadable. Bbolt has no checksum for a page, so one whose bytes still make
// sense is believed: records carry checksums of their own. Two alterations are
// beyond this package: a length that is too large can cost an Update much time
// and memory, and a page that is made to lie beneath itself is survived by a scan
// alone, and only if that comes to entries on its way round.
//
// An error of an Update that could not be written (the disk is full, say) is
// of class Unavailable, and nothing has changed; it is that of all who share
// the commit. Only when the very last sync is what fails may the change turn
// out to be there after all.
//
// What the contract forbids and this engine can notice, it refuses with an
// error of class InvalidArgument: using a transaction after its end, and
// writing while a scan runs.
package boltkv

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

var _ kv.DB = (*DB)(nil)

// bucketName is the bucket of all entries. The first Put makes it.
const bucketName = "jettison"

// A DB is a [kv.DB] in a file. Make one with [Open].
type DB struct {
	path  string
	fs    vfs.FS
	gate  *txn.Gate
	queue queue
	bolt  *bolt.DB // nil when read-only
	file  *os.File
	note  *note
	pins  pins
	// follower is what a DB that is read-only reads from, else nil.
	follower *follower
	// broken is set when bbolt panicked where it holds its own locks. From
	// then on bbolt is not called: it could wait for ever.
	broken  atomic.Pointer[DamagedError]
	closing sync.Once
	closed  error
}

// View implements [kv.DB].
func (db *DB) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := db.gate.Enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	opened := db.bolt
	if db.follower != nil {
		snap, err := db.follower.acquire(ctx)
		if err != nil {
			return err
		}
		defer db.follower.release(snap)
		opened = snap.bolt
	}
	r := &reader{session: &session{db: db}}
	if err := r.begin(func() (*bolt.Tx, error) { return opened.Begin(false) }); err != nil {
		return err
	}
	defer r.rollback()
	defer r.state.End()
	return fn(r)
}

// Update implements [kv.DB]. It runs fn again only when an Update with which
// it shared a commit met damage. On a DB that was opened read-only the error
// wraps [ErrReadOnly].
func (db *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := db.gate.Enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	if db.follower != nil {
		return class.Errorf(class.InvalidArgument, "update %s: %w", db.path, ErrReadOnly)
	}
	err := db.update(ctx, fn, &waiter{})
	if err == errAlone { //nolint:errorlint // it is never wrapped
		err = db.update(context.WithoutCancel(ctx), fn, &waiter{alone: true})
	}
	return err
}

// HasWriter reports whether this DB or another one, in whichever process, has
// the file open for writing now. Where that cannot be known it is true; one whose
// note could not be written is not seen.
func (db *DB) HasWriter() bool { return db.follower == nil || db.hasWriter() }

// Close implements [kv.DB]. Whoever closes the DB too gets the same error, when
// all has ended.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.gate.Close()
		db.closed = db.free()
	})
	return db.closed
}

// free frees what the DB holds. The note goes while the file is locked: after
// that there may be another's in its place.
func (db *DB) free() error {
	if db.follower != nil {
		db.follower.close()
		return nil
	}
	db.pins.close()
	db.removeNote(db.note)
	if db.broken.Load() != nil {
		release(db.file)
		return nil
	}
	return vfs.Unavailable(db.bolt.Close())
}

// guardLocked is guard for calls in which bbolt holds its locks.
func (db *DB) guardLocked(f func() error) error {
	if broken := db.broken.Load(); broken != nil {
		return broken
	}
	err := db.guard(f)
	if damage, ok := err.(*DamagedError); ok { //nolint:errorlint // guard made it just now
		db.broken.Store(damage)
	}
	return err
}
