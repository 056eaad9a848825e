package etcdkv_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// Requests of an update that come late, once the store has been changed again, change
// nothing: neither those of its log and its commit nor those that settle it.
func TestRequestsThatComeLate(t *testing.T) {
	f, address := newFake(t)
	db, other := openAt(t, address, few), openAt(t, address, few)
	var sent []*pb.TxnRequest
	f.faulty(func(r *pb.TxnRequest) fault {
		sent = append(sent, r)
		return fault{}
	})
	if err := putAll(t.Context(), db, many("a", 30, "old")); err != nil {
		t.Fatal(err)
	}
	f.faulty(nil)
	if len(sent) != 7 { // a piece, the commit, four for the entries, the end
		t.Errorf("an update of 30 entries took %d transactions, want 7", len(sent))
	}
	want := map[string]string{"b": "1"}
	err := other.Update(t.Context(), func(tx kv.Tx) error {
		for key := range many("a", 30, "") {
			if err := tx.Delete(t.Context(), []byte(key)); err != nil {
				return err
			}
		}
		return putIn(t.Context(), tx, want)
	})
	if err != nil {
		t.Fatal(err)
	}
	names := f.names("")
	for _, r := range sent {
		f.mu.Lock()
		resp := f.txn(r)
		f.mu.Unlock()
		if resp.Succeeded {
			t.Errorf("done, though it came late: %v", r.Success)
		}
	}
	if diff := cmp.Diff(names, f.names("")); diff != "" {
		t.Errorf("keys (-before +after):\n%s", diff)
	}
	checkEntries(t, other, want)
}

// The log of an update of which nothing is known is left alone, because its commit may
// still be on its way: then all of it is there.
func TestLogOfACommitThatComesLate(t *testing.T) {
	f, db := open(t, &etcdkv.Options{MaxOps: 8, CommitTimeout: 50 * time.Millisecond})
	var commit *pb.TxnRequest
	f.faulty(func(r *pb.TxnRequest) fault {
		if !putsHead(r) {
			return fault{}
		}
		commit = r
		return fault{err: errLost}
	})
	want := many("a", 30, "1")
	err := putAll(t.Context(), db, want)
	if !errors.As(err, new(*etcdkv.UnknownError)) {
		t.Fatalf("got %v, want an UnknownError", err)
	}
	f.faulty(nil)
	checkEntries(t, db, map[string]string{})
	f.mu.Lock()
	f.txn(commit)
	f.mu.Unlock()
	checkEntries(t, db, want)
}

// Between the log of an update and its commit another one may write its log upon the
// same state, and remove it again. Neither touches that of the first.
func TestLogsUponOneState(t *testing.T) {
	f, address := newFake(t)
	db, other := openAt(t, address, few), openAt(t, address, few)
	heads, committed := 0, false
	f.faulty(func(r *pb.TxnRequest) fault {
		switch {
		case committed: // so that the log is needed
			return fault{err: errRefused}
		case !putsHead(r):
			return fault{}
		}
		if heads++; heads > 1 {
			return fault{err: errRefused}
		}
		f.mu.Unlock()
		defer f.mu.Lock()
		if err := putAll(t.Context(), other, many("b", 30, "1")); err == nil {
			t.Error("an update succeeds whose commit is refused")
		}
		committed = true
		return fault{}
	})
	want := many("a", 30, "1")
	if err := putAll(t.Context(), db, want); err != nil {
		t.Error(err)
	}
	f.faulty(nil)
	checkEntries(t, other, want)
	if err := putAll(t.Context(), other, map[string]string{"b": "1"}); err != nil {
		t.Error(err)
	}
	checkEntries(t, db, both(want, map[string]string{"b": "1"}))
}

// A member that is behind the others answers no read of the present, and none of a
// state that it does not know yet: another one is asked.
func TestMemberIsBehind(t *testing.T) {
	f, db := open(t, few)
	f.mu.Lock()
	f.behind = 1
	f.mu.Unlock()
	for _, value := range []string{"1", "2"} {
		want := many("a", 30, value)
		if err := putAll(t.Context(), db, want); err != nil {
			t.Fatal(err)
		}
		checkEntries(t, db, want)
		if err := putAll(t.Context(), db, map[string]string{"b": value}); err != nil {
			t.Fatal(err)
		}
		checkEntries(t, db, both(want, map[string]string{"b": value}))
		if err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Delete(t.Context(), []byte("b")) }); err != nil {
			t.Fatal(err)
		}
	}
}
