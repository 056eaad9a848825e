// Package kv is the contract between the stores of this module and the engine
// that keeps their records: an ordered, transactional map from keys to values.
//
// A rule about storage is written once, against this contract, and runs in
// memory ([github.com/jettison-oci/jettison/kv/memkv]), on disk
// ([github.com/jettison-oci/jettison/kv/boltkv]), in etcd
// (github.com/jettison-oci/jettison/kv/etcdkv, a module of its own) and wherever
// someone brings the methods. Package kvtest holds the suite that an engine must pass.
//
// # Keys and values
//
// Keys are ordered as bytes are ([bytes.Compare]); a key is never empty. An
// empty value is a value. Every engine takes keys of up to 4 KiB and values of
// up to 1 MiB; one that refuses larger ones does so with an error of class
// InvalidArgument. What a transaction returns belongs to it: keys and values
// must not be changed, and must be copied to outlive the function that read
// them.
//
// # Contexts and errors
//
// A context that has ended before a call keeps the call from doing anything;
// the error wraps the context's and is of class Unavailable. Each error of an
// engine has exactly one class (rule E1).
package kv

import (
	"context"
	"iter"

	"github.com/jettison-oci/jettison/internal/class"
)

// ErrNotFound is the error of [Reader.Get] for a key that has no value. Its
// class is NotFound.
var ErrNotFound = class.Errorf(class.NotFound, "key not found")

// A Reader reads one consistent state of the map.
type Reader interface {
	// Get returns the value of key, or [ErrNotFound]. It does not keep key's
	// slice.
	Get(ctx context.Context, key []byte) ([]byte, error)

	// Scan yields every entry whose key begins with prefix, in the order of
	// the keys; an empty prefix yields all. It ends after the first error,
	// which it yields with a zero Entry: that of the context, or of the
	// engine. The sequence reads when it is ranged over, which may happen again,
	// and scans may run inside each other. A Tx must not be written to while one
	// of its scans runs.
	Scan(ctx context.Context, prefix []byte) iter.Seq2[Entry, error]
}

// An Entry is a key with its value.
type Entry struct {
	Key   []byte
	Value []byte
}

// A Tx is a Reader that also writes. It reads its own writes.
type Tx interface {
	Reader

	// Put sets the value of key. It keeps neither slice. An empty key is an
	// error of class InvalidArgument.
	Put(ctx context.Context, key, value []byte) error

	// Delete removes key, whose slice it does not keep. Removing a key that is
	// not there is no error.
	Delete(ctx context.Context, key []byte) error
}

// A DB runs transactions. It is safe for concurrent use.
//
// A transaction ends with the function it was given to and must not be used
// after it or from another goroutine. That function must not call the DB: an
// engine may make one transaction wait for the end of another.
type DB interface {
	// View runs fn on one state of the map, which no later Update changes. It
	// returns fn's error as it is.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and makes all it wrote visible and durable in one step;
	// when Update returns nil, both have happened. When fn returns an error,
	// that error is returned as it is and nothing has changed; nor has
	// anything when fn panics or ends its goroutine. A context that ends while
	// Update waits for its turn ends the wait, and fn does not run; once fn has
	// returned, the context no longer stops the commit.
	//
	// Updates happen as if one after another. An engine may run fn again on
	// another state: when it finds only at the end that another one came in
	// between, or when a commit that several share cannot be made because of
	// one of them. So fn must start afresh each time; it never sees what it
	// wrote before. When Updates share a commit, fn sees what those before it
	// wrote, and others do not until all of it is durable. If it cannot be made
	// so, all of them fail, with an error of class Unavailable, also one whose
	// fn had an error: it may rest on what did not last.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close frees what the DB holds, after the transactions under way have
	// ended. Closing twice is no error. Other calls after it fail with an
	// error of class Unavailable.
	Close() error
}
