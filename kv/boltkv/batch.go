package boltkv

import (
	"bytes"
	"context"
	"fmt"
	"runtime"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// The bounds of a batch. Its first Update waits for all the others, and what is
// pending lies in memory.
const (
	maxFunctions = 256
	maxPending   = 1 << 20 // bytes
)

// errAlone says that a commit which several Updates share cannot be made
// because of what one of them writes: each has to try alone.
var errAlone = errors.New("to be tried alone")

// A batch is a transaction of bbolt and the Updates that share its commit. One
// of them leads it: it runs its own function, calls the Updates that wait, one
// at a time, and commits for all. Each runs its function in its own goroutine,
// on what those before it have written.
type batch struct {
	session
	pending   pending
	functions int // those that have run
	// back is how an Update that was called gives the batch back to its leader,
	// and done is closed when err is what became of the commit. A batch of one
	// has neither.
	back, done chan struct{}
	err        error
}

// update runs fn when its turn has come, and returns when what it wrote is
// durable or undone.
func (db *DB) update(ctx context.Context, fn func(kv.Tx) error, w *waiter) error {
	b, err := db.queue.wait(ctx, w)
	if err != nil {
		return err
	}
	if b != nil {
		return b.join(ctx, fn)
	}
	defer db.queue.pass()
	if err := txn.Ended(ctx); err != nil {
		return err
	}
	return db.lead(fn, w)
}

// lead begins a batch with fn and commits it. A function that fails is one
// alone: nobody else has been called yet.
func (db *DB) lead(fn func(kv.Tx) error, w *waiter) error {
	db.pins.keep()
	b := &batch{session: session{db: db}, pending: newPending()}
	if err := b.begin(func() (*bolt.Tx, error) { return db.bolt.Begin(true) }); err != nil {
		return err
	}
	defer b.rollback()
	if err := b.run(fn); err != nil {
		return err
	}
	if !w.alone {
		b.callWaiting()
	}
	b.err = b.commit()
	if b.done != nil {
		if isDamage(b.err) && db.broken.Load() == nil {
			b.err = errAlone
		}
		close(b.done)
	}
	return b.err
}

// callWaiting calls the Updates that wait, in the order in which they came.
func (b *batch) callWaiting() {
	for b.functions < maxFunctions && b.pending.bytes < maxPending {
		w := b.db.queue.next()
		if w == nil && b.db.queue.shared {
			// Those who shared the last commit have gone on just now, and may be
			// about to come back.
			runtime.Gosched()
			w = b.db.queue.next()
		}
		if w == nil {
			break
		}
		if b.done == nil {
			b.back, b.done = make(chan struct{}), make(chan struct{})
		}
		w.turn <- b
		<-b.back
	}
	b.db.queue.shared = b.functions > 1
}

// join runs fn and waits for the commit. So does a function that fails: it may
// have failed for what others wrote before it, and if that does not last, its
// error means nothing.
func (b *batch) join(ctx context.Context, fn func(kv.Tx) error) error {
	if err := txn.Ended(ctx); err != nil {
		b.back <- struct{}{}
		return err
	}
	err := b.visit(fn)
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// visit runs fn, undoes what it wrote unless it succeeds, and gives the batch
// back to its leader, also when fn panics or ends its goroutine.
func (b *batch) visit(fn func(kv.Tx) error) (err error) {
	before, succeeded := b.pending.save(), false
	defer func() {
		if !succeeded {
			b.pending.restore(before)
		}
		b.back <- struct{}{}
	}()
	err = b.run(fn)
	succeeded = err == nil
	return err
}

// run runs fn. One that met damage has failed, even if it does not mind.
func (b *batch) run(fn func(kv.Tx) error) error {
	b.functions++
	w := &writer{reader: reader{session: &b.session}, pending: &b.pending}
	defer w.state.End()
	if err := fn(w); err != nil {
		return err
	}
	return w.damage
}

// commit makes the writes durable, if there are any.
func (b *batch) commit() error {
	order := b.pending.order()
	if idle, err := b.changesNothing(order); idle || err != nil {
		return err
	}
	err := b.db.guard(func() error { return b.write(order) })
	switch {
	case errors.Is(err, bolterrors.ErrIncompatibleValue):
		return b.db.damaged(err)
	case err != nil:
		return vfs.Unavailable(fmt.Errorf("update %s: %w", b.db.path, err))
	}
	if err := b.db.guardLocked(b.tx.Commit); err != nil {
		return vfs.Unavailable(fmt.Errorf("commit %s: %w", b.db.path, err))
	}
	return nil
}

// changesNothing reports whether nothing was written but the removal of keys
// that are not stored.
func (b *batch) changesNothing(order []place) (bool, error) {
	stored := reader{session: &b.session}
	for _, place := range order {
		c := b.pending.log.at(place.at)
		if !c.removed {
			return false, nil
		}
		if value, err := stored.find(c.Key); err != nil || value != nil {
			return false, err
		}
	}
	return true, nil
}

// write hands the pending writes to bbolt, in this order.
func (b *batch) write(order []place) (err error) {
	if b.bucket == nil {
		if b.bucket, err = b.tx.CreateBucket([]byte(bucketName)); err != nil {
			return err
		}
	}
	cursor := b.bucket.Cursor() // one serves all; Bucket.Delete makes one each time
	for _, place := range order {
		c := b.pending.log.at(place.at)
		if c.removed {
			err = remove(cursor, c.Key)
		} else {
			err = b.bucket.Put(c.Key, c.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes a key, which need not be there.
func remove(cursor *bolt.Cursor, key []byte) error {
	if found, _ := cursor.Seek(key); !bytes.Equal(found, key) {
		return nil
	}
	return cursor.Delete()
}
