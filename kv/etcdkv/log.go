package etcdkv

import (
	"context"
	"math"

	"github.com/pkg/errors"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

// An update that is too large for one transaction of etcd is written to a log
// first, which nobody looks at. Then one transaction makes a head that names the
// log: this is the commit. Then the changes are made in the entries, and at last a
// head without a log takes its place, while the log goes. Whoever comes in between
// reads the entries and the log upon them; whoever wants to write settles the log
// first. All of that may be done twice and by several: it is bound to the head.

// atOnce is how many requests of a log are under way at a time. The server makes
// those durable together that come together.
const atOnce = 8

// perChange is the number of bytes that a change takes in a piece of a log besides
// its key and its value, at most.
const perChange = 16

// commitLog is commit for changes that need a log.
func (db *DB) commitLog(ctx context.Context, base head, c *changes) error {
	id := db.keys.newHead().token
	pieces, err := db.writeLog(ctx, base, id, c)
	if err == nil {
		next := db.keys.newHeadWithLog(base.token, id, pieces)
		if err = db.replace(ctx, base, next); err == nil {
			// It is durable, and visible to all. Whoever comes next settles what is
			// not settled now.
			_ = db.settle(ctx, next, c)
			return nil
		}
	}
	if _, unknown := err.(*UnknownError); !unknown { //nolint:errorlint // replace made it just now
		// This is tried once: what is left goes with the next log.
		_, _ = db.try(ctx, base, []clientv3.Op{clientv3.OpDelete(db.keys.log(base.token, id), clientv3.WithPrefix())})
	}
	return err
}

// writeLog writes the pieces of a log, and returns their number. With the first
// one go the logs that rest on other states, for nothing can come of them.
func (db *DB) writeLog(ctx context.Context, base head, id string, c *changes) (int, error) {
	pieces, err := 0, error(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for batch := range c.batches(math.MaxInt, perChange) {
		key := db.keys.piece(base.token, id, pieces)
		ops := []clientv3.Op{clientv3.OpPut(key, string(sealPiece(key, batch)))}
		if pieces++; pieces == 1 {
			mine := db.keys.logsOn(base.token)
			ops = append(ops, deleteRange(db.keys.logs(), mine), deleteRange(end(mine), end(db.keys.logs())))
		}
		group.Go(func() error { return db.step(ctx, "write what is to be committed", base, ops) })
	}
	err = group.Wait()
	return pieces, err
}

func deleteRange(from, to string) clientv3.Op { return clientv3.OpDelete(from, clientv3.WithRange(to)) }

// step does operations that may be done again, as long as the head is guard: else
// the error is errOvertaken.
func (db *DB) step(ctx context.Context, doing string, guard head, ops []clientv3.Op) error {
	limited, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	a, err := db.do(limited, guard, ops...)
	switch {
	case err != nil:
		return failed(doing, guard.revision, err)
	case !a.done:
		return errOvertaken
	}
	return nil
}

// settle makes the changes of the log that h names in the entries, and puts a head
// without a log in its place. When someone else has, there is nothing to do.
func (db *DB) settle(ctx context.Context, h head, c *changes) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for batch := range c.batches(db.maxOps, db.perOp()) {
		group.Go(func() error { return db.apply(inner, h, batch) })
	}
	err := group.Wait()
	if err == nil {
		err = db.step(ctx, "settle an update", h, []clientv3.Op{
			clientv3.OpPut(db.keys.head(), db.keys.newHead().value),
			clientv3.OpDelete(db.keys.logs(), clientv3.WithPrefix()),
		})
	}
	if err == errOvertaken { //nolint:errorlint // it is never wrapped
		return nil
	}
	return err
}

// apply makes changes of the log that h names in the entries: by halves when they are
// too many for the server, because the update is made, whatever was thought of its
// limits.
func (db *DB) apply(ctx context.Context, h head, batch []change) error {
	err := db.step(ctx, "settle an update", h, db.ops(batch))
	if len(batch) == 1 || !errors.As(err, new(*LimitError)) {
		return err
	}
	half := len(batch) / 2
	if err := db.apply(ctx, h, batch[:half]); err != nil {
		return err
	}
	return db.apply(ctx, h, batch[half:])
}

// settled returns the present state once it has no log.
func (db *DB) settled(ctx context.Context) (*snapshot, error) {
	for {
		snap, err := db.snapshot(ctx)
		if err != nil || snap.head.pieces == 0 {
			return snap, err
		}
		c, err := snap.unsettled(ctx)
		if err != nil {
			return nil, err
		}
		if err := db.settle(ctx, snap.head, c); err != nil {
			return nil, err
		}
	}
}

// unsettled returns the changes of the log that the head names, which some entries
// may show already: none if it names none.
func (s *snapshot) unsettled(ctx context.Context) (*changes, error) {
	c := newChanges()
	for n := range s.head.pieces {
		key := s.db.keys.piece(s.head.base, s.head.token, n)
		resp, err := s.read(ctx, key)
		if err != nil {
			return nil, err
		}
		if len(resp.Kvs) == 0 {
			return nil, record.Damaged([]byte(key), "it is gone")
		}
		if err := readPiece([]byte(key), resp.Kvs[0].Value, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// What a change is, in a piece of a log.
const (
	removed = iota
	put
)

// sealPiece is the record of some changes.
func sealPiece(key string, batch []change) []byte {
	w := record.NewWriter()
	w.Count(len(batch))
	for _, c := range batch {
		if c.removed {
			w.Uint(removed)
			w.String(string(c.Key))
			continue
		}
		w.Uint(put)
		w.String(string(c.Key))
		w.String(string(c.Value))
	}
	return w.Seal([]byte(key))
}

// readPiece is the inverse of sealPiece; it adds the changes to c.
func readPiece(key, value []byte, c *changes) error {
	r := record.Read(key, value)
	for range r.Count() {
		kind, name := r.Uint(), []byte(r.String())
		if kind == removed {
			c.tree.Set(change{Entry: kv.Entry{Key: name}, removed: true})
			continue
		}
		c.tree.Set(change{Entry: kv.Entry{Key: name, Value: []byte(r.String())}})
	}
	return r.Close()
}
