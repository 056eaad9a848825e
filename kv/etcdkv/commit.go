package etcdkv

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pkg/errors"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// commit makes the changes, if base is still the head: else errOvertaken.
func (db *DB) commit(ctx context.Context, base head, c *changes) error {
	pieces := 0
	var first []change
	for batch := range c.batches(db.maxOps-1, db.perOp()) {
		if pieces++; pieces == 1 {
			first = batch
		}
	}
	if pieces > 1 {
		return db.commitLog(ctx, base, c)
	}
	err := db.replace(ctx, base, db.keys.newHead(), db.ops(first)...)
	if errors.As(err, new(*LimitError)) {
		return db.commitLog(ctx, base, c) // nothing has changed so far
	}
	return err
}

// perOp is the number of bytes that an operation takes besides the key and the
// value of its entry: the prefix, and how etcd frames it.
func (db *DB) perOp() int { return len(db.keys.prefix) + 32 }

// ops are the operations that make changes.
func (db *DB) ops(batch []change) []clientv3.Op {
	ops := make([]clientv3.Op, 0, len(batch)+2)
	for _, c := range batch {
		if c.removed {
			ops = append(ops, clientv3.OpDelete(db.keys.entry(c.Key)))
		} else {
			ops = append(ops, clientv3.OpPut(db.keys.entry(c.Key), string(c.Value)))
		}
	}
	return ops
}

// replace puts another head in the place of base, and does the operations with it.
// It returns nil when that is durable, errOvertaken when base is not the head, and
// an error: an *UnknownError, or one after which nothing has changed.
func (db *DB) replace(ctx context.Context, base, next head, ops ...clientv3.Op) error {
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	a, err := db.do(ctx, base, append(ops, clientv3.OpPut(db.keys.head(), next.value))...)
	switch {
	case err == nil && a.done:
		return nil
	case err == nil && a.doubt == nil:
		return errOvertaken
	case err == nil:
		return db.findOut(ctx, base, next)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return db.withoutSpace(ctx, base, next, a, err)
	case a.doubt != nil:
		return &UnknownError{Err: err}
	}
	return failed("commit", base.revision, err)
}

// withoutSpace is what replace returns when the server says that it has no space.
// It also says so of the transaction that takes the last of it, and is done.
func (db *DB) withoutSpace(ctx context.Context, base, next head, a answer, full error) error {
	err := db.findOut(ctx, base, next)
	switch {
	case err != errNotMade: //nolint:errorlint // it is never wrapped
		return err
	case a.doubt != nil:
		return &UnknownError{Err: a.doubt}
	}
	return failed("commit", base.revision, full)
}

// An answer is what the server said.
type answer struct {
	// done says that the operations were done: the head was the right one.
	done bool
	// doubt is the error of a try before, of which nobody knows whether it was done.
	doubt error
}

// do does operations if the head is the one given, and tries until the server says
// clearly whether it did, or refuses. Trying again does no harm: operations may
// happen twice only where the head stays, and there they say the same.
func (db *DB) do(ctx context.Context, guard head, ops ...clientv3.Op) (answer, error) {
	var a answer
	for try := 0; ; try++ {
		done, err := db.try(ctx, guard, ops)
		if err == nil {
			a.done = done
			return a, nil
		}
		if refused(err) {
			return a, err
		}
		a.doubt = err
		if pause(ctx, try) != nil {
			return a, err
		}
	}
}

// try sends operations once. A connection may have been lost without anyone
// noticing, so it waits for a third of the time that there is.
func (db *DB) try(ctx context.Context, guard head, ops []clientv3.Op) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, db.timeout/3)
	defer cancel()
	resp, err := db.client.Txn(ctx).
		If(clientv3.Compare(clientv3.Value(db.keys.head()), "=", guard.value)).
		Then(ops...).
		Commit()
	if tooLarge(err) {
		err = rpctypes.ErrRequestTooLarge
	}
	return err == nil && resp.Succeeded, err
}

// findOut says what became of a commit that was not answered well: nil if it was
// made, errOvertaken if another one was, errNotMade if base is still the head.
func (db *DB) findOut(ctx context.Context, base, next head) error {
	for try := 0; ; try++ {
		after, err := db.after(ctx, base, next)
		var compacted *CompactedError
		switch {
		case err == nil && after == next.token:
			return nil
		case err == nil && after == base.token:
			return errNotMade
		case err == nil:
			return errOvertaken
		case errors.As(err, &compacted) || pause(ctx, try) != nil:
			return unknown(err)
		}
	}
}

// after returns the token of the head that came right after base: it tells whose
// commit was made. It goes back through the history of the head, and ends early
// where it meets next. If nothing came, it is base's.
func (db *DB) after(ctx context.Context, base, next head) (string, error) {
	for revision := int64(0); ; {
		h, _, err := db.headAt(ctx, revision)
		if err != nil || h.token == next.token || h.version <= base.version+1 {
			return h.token, err
		}
		revision = h.revision - 1
	}
}

// How long to wait before the next try: more each time, up to a limit, and never
// all alike.
const (
	firstPause  = 4 * time.Millisecond
	longPauses  = 7 // doublings
	shortPauses = 2
)

// pause waits before another try. The error is that of a context that ends first.
func pause(ctx context.Context, try int) error {
	longest := firstPause << min(try, longPauses)
	timer := time.NewTimer(longest/2 + rand.N(longest/2)) //nolint:gosec // not to be all alike
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return txn.Ended(ctx)
}
