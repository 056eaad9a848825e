package etcdkv

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

var _ kv.DB = (*DB)(nil)

// Options configure a [DB]. The zero value of each field is a safe default.
type Options struct {
	// Prefix is what all keys of the store begin with; a slash is added unless it
	// ends in one. It has at most 256 bytes. Stores with different prefixes do not
	// see each other, but the prefix of one must not begin with that of another.
	// The default is "/jettison/".
	Prefix string
	// MaxOps is the most operations that are put into one transaction of etcd, 8 at
	// least. The default is 128, which is that of the server's --max-txn-ops. A server
	// that takes fewer is sent the updates that do not fit in smaller pieces, after it
	// has refused them.
	MaxOps int
	// CommitTimeout is how long a commit is tried when the server does not say what
	// became of it: once the function of an Update has returned, no context ends
	// that. It should outlast the election of a leader. The default is 15 seconds.
	CommitTimeout time.Duration
}

// The defaults of Options, and what may be chosen.
const (
	defaultPrefix  = "/jettison/"
	defaultMaxOps  = 128
	leastMaxOps    = 8
	maxPrefix      = 256
	defaultTimeout = 15 * time.Second
)

// A DB is a [kv.DB] in etcd. Make one with [New].
type DB struct {
	client  clientv3.KV
	keys    keys
	maxOps  int
	timeout time.Duration
	gate    *txn.Gate
}

// New returns the store in etcd below a prefix, and makes one where there are no
// keys. Nil options mean the defaults. A *clientv3.Client is a clientv3.KV; closing
// it stays with the caller, after the DB.
//
// The error is a [*FormatError] if a newer version made the store, and of class
// InvalidArgument if there are keys but no store, or the options are wrong.
func New(ctx context.Context, client clientv3.KV, opts *Options) (*DB, error) {
	if opts == nil {
		opts = &Options{}
	}
	db := &DB{client: client, keys: newKeys(opts.Prefix), maxOps: opts.MaxOps, timeout: opts.CommitTimeout}
	if db.maxOps == 0 {
		db.maxOps = defaultMaxOps
	}
	if db.timeout == 0 {
		db.timeout = defaultTimeout
	}
	switch {
	case len(db.keys.prefix) > maxPrefix:
		return nil, class.Errorf(class.InvalidArgument, "the prefix %.64q… has more than %d bytes", db.keys.prefix, maxPrefix)
	case db.maxOps < leastMaxOps:
		return nil, class.Errorf(class.InvalidArgument, "MaxOps is %d; %d are needed at least", db.maxOps, leastMaxOps)
	case db.timeout < 0:
		return nil, class.Errorf(class.InvalidArgument, "CommitTimeout is %v", db.timeout)
	}
	db.gate = txn.NewGate("the store below " + db.keys.prefix)
	if err := db.checkFormat(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// View implements [kv.DB]. It never waits for an Update. A View that lasts until
// etcd's history is compacted beyond its revision gets a [*CompactedError].
func (db *DB) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := db.gate.Enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	snap, err := db.snapshot(ctx)
	if err != nil {
		return err
	}
	overlay, err := snap.unsettled(ctx)
	if err != nil {
		return err
	}
	r := &reader{snap: snap, changes: overlay}
	defer r.state.End()
	return fn(r)
}

// Update implements [kv.DB]. Those of one DB take turns. One that another process
// has overtaken runs fn again, as often as that happens, until its context ends.
// Of a commit whose outcome could not be found out the error is an
// [*UnknownError]; after every other error nothing has changed.
func (db *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := db.gate.EnterAlone(ctx); err != nil {
		return err
	}
	defer db.gate.LeaveAlone()
	for try := 0; ; try++ {
		err := db.update(ctx, fn)
		if err != errOvertaken { //nolint:errorlint // it is never wrapped
			return err
		}
		// Whoever overtakes does not wait: to wait ever longer would be to lose for ever.
		if err := pause(ctx, min(try, shortPauses)); err != nil {
			return err
		}
	}
}

// update runs fn once, on the present state.
func (db *DB) update(ctx context.Context, fn func(kv.Tx) error) error {
	snap, err := db.settled(ctx)
	if err != nil {
		return err
	}
	w := &writer{reader{snap: snap, changes: newChanges()}}
	defer w.state.End()
	if err := fn(w); err != nil {
		return err
	}
	w.state.End()
	if w.changes.len() == 0 {
		return nil // what it has read belongs together
	}
	return db.commit(context.WithoutCancel(ctx), snap.head, w.changes)
}

// Close implements [kv.DB]. The client stays open.
func (db *DB) Close() error {
	db.gate.Close()
	return nil
}
