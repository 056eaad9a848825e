package etcdkv

import (
	"context"
	"crypto/rand"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/internal/record"
)

// A head says which state the store is in. Every Update replaces it, in the
// transaction of etcd that makes the change, if it is still the one that the
// Update began with. So updates happen one after another, whoever makes them and
// whatever they have read; docs/decisions/0017-etcd-one-head.md says at what cost.
type head struct {
	// token is like no other: a head that has it was made by one certain update.
	token string
	// base and pieces tell of the log of the update, if it has one that is not yet
	// settled: the state that it rests on, and in how many pieces it lies below
	// log/<base>/<token>/. No pieces, no log.
	base   string
	pieces int

	value    string // as it is stored
	revision int64  // in which it was put
	version  int64  // how many heads there have been
}

// newHead returns a head without a log.
func (k keys) newHead() head { return k.seal(head{token: rand.Text()}) }

// newHeadWithLog returns the head of an update that rests on base and is in pieces.
func (k keys) newHeadWithLog(base, id string, pieces int) head {
	return k.seal(head{token: id, base: base, pieces: pieces})
}

func (k keys) seal(h head) head {
	w := record.NewWriter()
	w.String(h.token)
	w.String(h.base)
	w.Count(h.pieces)
	h.value = string(w.Seal([]byte(k.head())))
	return h
}

// readHead is the inverse of seal.
func (k keys) readHead(pair *mvccpb.KeyValue) (head, error) {
	r := record.Read([]byte(k.head()), pair.Value)
	h := head{token: r.String(), base: r.String(), pieces: int(r.Uint())} //nolint:gosec // a count of pieces
	h.value, h.revision, h.version = string(pair.Value), pair.ModRevision, pair.Version
	return h, r.Close()
}

// headAt returns the head as of a revision, or the present one for zero, and the
// revision of the store at which it was read.
func (db *DB) headAt(ctx context.Context, revision int64) (head, int64, error) {
	resp, err := db.client.Get(ctx, db.keys.head(), clientv3.WithRev(revision))
	if err != nil {
		return head{}, 0, failed("read the head", revision, err)
	}
	if len(resp.Kvs) == 0 {
		return head{}, 0, record.Damaged([]byte(db.keys.head()), "it is gone")
	}
	h, err := db.keys.readHead(resp.Kvs[0])
	return h, resp.Header.Revision, err
}
