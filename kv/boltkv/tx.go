package boltkv

import (
	"bytes"
	"context"
	"iter"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// A session is a transaction of bbolt. It serves one goroutine at a time.
type session struct {
	db     *DB
	tx     *bolt.Tx
	bucket *bolt.Bucket // nil until something was put
	// idle are cursors that no scan uses. One that is used again need not
	// allocate its way down the tree, as bbolt's own look-ups do each time. They
	// stay valid, for nothing is written before the commit.
	idle []*bolt.Cursor
}

func (s *session) begin(start func() (*bolt.Tx, error)) error {
	err := s.db.guardLocked(func() (err error) {
		s.tx, err = start()
		return err
	})
	if err != nil {
		return vfs.Unavailable(err)
	}
	err = s.db.guard(func() error {
		s.bucket = s.tx.Bucket([]byte(bucketName))
		return nil
	})
	if err != nil {
		s.rollback()
	}
	return err
}

// rollback ends the transaction, unless a commit has.
func (s *session) rollback() {
	// Its one error says that a commit has ended the transaction. A panic of
	// a rollback makes the DB broken; this transaction's error stands.
	_ = s.db.guardLocked(s.tx.Rollback)
}

// A reader shows a session to one function. It has no writing methods, so that
// nothing can turn it into a Tx.
type reader struct {
	*session
	state  txn.State
	damage error // the first damage met
}

func (r *reader) remember(err error) {
	if r.damage == nil && isDamage(err) {
		r.damage = err
	}
}

// Get implements [kv.Reader].
func (r *reader) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := r.state.Read(ctx); err != nil {
		return nil, err
	}
	value, err := r.find(key)
	if err == nil && value == nil {
		err = kv.ErrNotFound
	}
	return value, err
}

// find returns the value of key, or nil when it has none.
func (r *reader) find(key []byte) (value []byte, err error) {
	if r.bucket == nil {
		return nil, nil
	}
	cursor := r.cursor()
	defer r.release(cursor)
	e, err := r.step(func() ([]byte, []byte) { return cursor.Seek(key) })
	r.remember(err)
	if err != nil || !bytes.Equal(e.Key, key) {
		return nil, err
	}
	return e.Value, nil
}

// cursor returns one that is free; release takes it back.
func (s *session) cursor() *bolt.Cursor {
	if n := len(s.idle); n > 0 {
		cursor := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return cursor
	}
	return s.bucket.Cursor()
}

func (s *session) release(cursor *bolt.Cursor) { s.idle = append(s.idle, cursor) }

// Scan implements [kv.Reader].
func (r *reader) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return r.state.Scan(func(yield func(kv.Entry, error) bool) error {
		return r.walk(ctx, prefix, func(e kv.Entry) bool { return yield(e, nil) })
	})
}

// walk passes on the stored entries below prefix, in order, until yield returns
// false.
func (r *reader) walk(ctx context.Context, prefix []byte, yield func(kv.Entry) bool) error {
	if r.bucket == nil {
		return r.state.Read(ctx)
	}
	cursor := r.cursor()
	defer r.release(cursor)
	move, next := func() ([]byte, []byte) { return cursor.Seek(prefix) }, cursor.Next
	for met := int64(0); ; met, move = met+1, next {
		if err := r.state.Read(ctx); err != nil {
			return err
		}
		e, err := r.step(move)
		if err == nil && met > r.room() {
			err = r.db.damaged(errCircle)
		}
		r.remember(err)
		if err != nil || e.Key == nil || !bytes.HasPrefix(e.Key, prefix) {
			return err
		}
		if !yield(e) {
			return nil
		}
	}
}

// room is how many entries the file can have at most. A scan that meets more goes
// in a circle.
func (s *session) room() int64 {
	const element = 16 // bytes of a page for each, beside its key and its value
	return s.tx.Size() / element
}

// step moves a cursor; the entry has no key when there is none left. It does
// what guard does, without a function to allocate for each entry.
func (s *session) step(move func() (key, value []byte)) (e kv.Entry, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer s.db.caught(&err)
	key, value := move()
	if key != nil && value == nil { // bbolt says so of a bucket, and we have none
		return kv.Entry{}, s.db.damaged(bolterrors.ErrIncompatibleValue)
	}
	touch(key)
	touch(value)
	return kv.Entry{Key: key, Value: value}, nil
}

// A writer shows a session, and what is pending on it, to one function.
type writer struct {
	reader
	pending *pending
}

// Get implements [kv.Reader].
func (w *writer) Get(ctx context.Context, key []byte) ([]byte, error) {
	c, ok := w.pending.get(key)
	if !ok {
		return w.reader.Get(ctx, key)
	}
	if err := w.state.Read(ctx); err != nil {
		return nil, err
	}
	if c.removed {
		return nil, kv.ErrNotFound
	}
	return c.Value, nil
}

// Scan implements [kv.Reader].
func (w *writer) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return w.state.Scan(func(yield func(kv.Entry, error) bool) error {
		if w.pending.log.n == 0 { // now, not when the scan was asked for
			return w.walk(ctx, prefix, func(e kv.Entry) bool { return yield(e, nil) })
		}
		m := w.pending.merge(prefix, yield)
		err := w.walk(ctx, prefix, m.stored)
		if err == nil {
			m.rest()
		}
		return err
	})
}

// Put implements [kv.Tx].
func (w *writer) Put(ctx context.Context, key, value []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	switch {
	case len(key) == 0:
		return class.Errorf(class.InvalidArgument, "a key must not be empty")
	case len(key) > bolt.MaxKeySize:
		return class.Errorf(class.InvalidArgument, "put %.64q: the key has more than %d bytes", key, bolt.MaxKeySize)
	case len(value) > bolt.MaxValueSize:
		return class.Errorf(class.InvalidArgument, "put %.64q: the value has more than %d bytes", key, bolt.MaxValueSize)
	}
	w.pending.put(key, value)
	return nil
}

// Delete implements [kv.Tx].
func (w *writer) Delete(ctx context.Context, key []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	w.pending.remove(key)
	return nil
}
