package etcdkv

import (
	"context"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
)

// Format is the version of the layout that this package makes, and the newest
// that it knows.
const Format = 1

// A FormatError says that a store was made by a newer version of this package.
// Its class is InvalidArgument.
type FormatError struct {
	// Prefix is that of the store.
	Prefix string
	// Found is the version of the store.
	Found int
	// Supported is the newest version that this package knows.
	Supported int
}

// Error names both versions.
func (e *FormatError) Error() string {
	return fmt.Sprintf("the store below %s has format %d in etcd, but this program knows only those up to %d; use a newer one", e.Prefix, e.Found, e.Supported)
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *FormatError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *FormatError) Is(target error) bool { return target == class.InvalidArgument }

// checkFormat makes sure that there is a store of this format, and makes one where
// there is nothing.
func (db *DB) checkFormat(ctx context.Context) error {
	for {
		found, err := db.readFormat(ctx)
		if found || err != nil {
			return err
		}
		if err := db.create(ctx); err != nil {
			return err
		}
	}
}

// readFormat reports whether there is a store. The error says that it cannot be
// worked on, or that there is something else.
func (db *DB) readFormat(ctx context.Context) (bool, error) {
	key := db.keys.format()
	resp, err := db.client.Get(ctx, key)
	if err != nil {
		return false, failed("read the format", 0, err)
	}
	if len(resp.Kvs) == 0 {
		return false, db.checkEmpty(ctx, resp.Header.Revision)
	}
	version, err := strconv.Atoi(string(resp.Kvs[0].Value))
	switch {
	case err != nil || version < 1:
		return false, record.Damaged([]byte(key), "not a version")
	case version > Format:
		return false, &FormatError{Prefix: db.keys.prefix, Found: version, Supported: Format}
	}
	return true, nil
}

// checkEmpty returns an error if there is a key at that revision. Keys of
// something else are never taken for a store.
func (db *DB) checkEmpty(ctx context.Context, revision int64) error {
	resp, err := db.client.Get(ctx, db.keys.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithLimit(1), clientv3.WithRev(revision))
	if err != nil {
		return failed("look for other keys", revision, err)
	}
	if len(resp.Kvs) > 0 {
		return class.Errorf(class.InvalidArgument, "below %s is no store: there is no key %q, but others such as %q",
			db.keys.prefix, db.keys.format(), resp.Kvs[0].Key)
	}
	return nil
}

// create makes an empty store, unless someone else does.
func (db *DB) create(ctx context.Context) error {
	_, err := db.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(db.keys.format()), "=", 0)).
		Then(clientv3.OpPut(db.keys.format(), strconv.Itoa(Format)), clientv3.OpPut(db.keys.head(), db.keys.newHead().value)).
		Commit()
	if err != nil {
		return failed("make a store below "+db.keys.prefix, 0, err)
	}
	return nil
}
