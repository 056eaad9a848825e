package etcdkv_test

import (
	"context"
	"errors"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// A commit that was not answered is found out about: it is made once, and nil means
// that it was made.
func TestCommitThatIsNotAnswered(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens fault
	}{
		{"done", fault{err: errLost, do: true}},
		{"not done", fault{err: errLost}},
		{"done later, when it was tried again", fault{err: errLost, late: true}},
		{"done, with the last of the space", fault{err: rpctypes.ErrGRPCNoSpace, do: true}},
		{"done, and the server timed out", fault{err: rpctypes.ErrGRPCTimeout, do: true}},
		{"done, while the leader went", fault{err: rpctypes.ErrGRPCTimeoutDueToLeaderFail, do: true}},
	} {
		for _, entries := range []int{1, 50} {
			t.Run(c.name, func(t *testing.T) {
				f, db := open(t, &etcdkv.Options{MaxOps: 8})
				f.once(c.happens)
				want, runs := many("a", entries, "1"), 0
				err := db.Update(t.Context(), func(tx kv.Tx) error {
					runs++
					return putIn(t.Context(), tx, want)
				})
				if err != nil || runs != 1 {
					t.Errorf("got error %v after %d runs, want none after one", err, runs)
				}
				checkEntries(t, db, want)
			})
		}
	}
}

// A commit that was done unseen, before others came, is told from one that others
// came before.
func TestCommitThatIsNotAnsweredAmongOthers(t *testing.T) {
	for _, made := range []bool{true, false} {
		f, address := newFake(t)
		db, other := openAt(t, address, nil), openAt(t, address, nil)
		tries := 0
		f.faulty(func(r *pb.TxnRequest) fault {
			if tries++; tries > 1 {
				return fault{}
			}
			if made {
				f.txn(r)
			}
			f.mu.Unlock() // others write before the answer is lost
			defer f.mu.Lock()
			for _, key := range []string{"x", "y"} {
				if err := putAll(t.Context(), other, map[string]string{key: "1"}); err != nil {
					t.Error(err)
				}
			}
			return fault{err: errLost}
		})
		runs := 0
		err := db.Update(t.Context(), func(tx kv.Tx) error {
			runs++
			return tx.Put(t.Context(), []byte("a"), []byte("1"))
		})
		if want := map[bool]int{true: 1, false: 2}[made]; err != nil || runs != want {
			t.Errorf("made %t: got error %v after %d runs, want none after %d", made, err, runs, want)
		}
		checkEntries(t, db, map[string]string{"a": "1", "x": "1", "y": "1"})
	}
}

// What cannot be found out is said to be unknown; what the server refuses is not.
func TestCommitThatFails(t *testing.T) {
	history := func(f *fake) { f.compacted = f.revision + 1 }
	for _, c := range []struct {
		name    string
		first   fault
		then    error
		unknown bool
	}{
		{"refused", fault{err: errRefused}, errRefused, false},
		{"no space", fault{err: rpctypes.ErrGRPCNoSpace}, rpctypes.ErrGRPCNoSpace, false},
		{"too many requests", fault{err: rpctypes.ErrGRPCRequestTooManyRequests}, nil, false},
		{"not answered, then refused", fault{err: errLost, do: true}, errRefused, true},
		{"not answered, then no space", fault{err: errLost}, rpctypes.ErrGRPCNoSpace, true},
		{"never answered", fault{err: errLost}, errLost, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := time.Minute
			if c.then == errLost { //nolint:errorlint // the very error
				timeout = 100 * time.Millisecond
			}
			f, db := open(t, &etcdkv.Options{CommitTimeout: timeout})
			tries := 0
			f.faulty(func(*pb.TxnRequest) fault {
				if tries++; tries == 1 {
					return c.first
				}
				return fault{err: c.then}
			})
			err := putAll(t.Context(), db, map[string]string{"a": "1"})
			checkClass(t, err, class.Unavailable)
			if got := errors.As(err, new(*etcdkv.UnknownError)); got != c.unknown {
				t.Errorf("error %v: said to be unknown %t, want %t", err, got, c.unknown)
			}
			f.faulty(nil)
			if !c.unknown {
				checkEntries(t, db, map[string]string{})
			}
		})
	}
	t.Run("history compacted", func(t *testing.T) {
		f, address := newFake(t)
		db, other := openAt(t, address, nil), openAt(t, address, nil)
		tries := 0
		f.faulty(func(*pb.TxnRequest) fault {
			if tries++; tries > 1 {
				return fault{}
			}
			f.mu.Unlock()
			defer f.mu.Lock()
			for range 3 {
				if err := putAll(t.Context(), other, map[string]string{"x": "1"}); err != nil {
					t.Error(err)
				}
			}
			history(f)
			return fault{err: errLost}
		})
		err := putAll(t.Context(), db, map[string]string{"a": "1"})
		checkClass(t, err, class.Unavailable)
		if !errors.As(err, new(*etcdkv.UnknownError)) {
			t.Errorf("got %v, want an UnknownError", err)
		}
	})
}

// What is not known has one class, also when the reason has another: here it is damage.
func TestUnknownHasOneClass(t *testing.T) {
	f, db := open(t, &etcdkv.Options{CommitTimeout: 100 * time.Millisecond})
	tries := 0
	f.faulty(func(*pb.TxnRequest) fault {
		if tries++; tries == 1 {
			f.revision++
			f.set(&mvccpb.KeyValue{Key: []byte("/jettison/head"), Value: []byte("x"), Version: 1})
			return fault{err: errLost}
		}
		return fault{}
	})
	err := putAll(t.Context(), db, map[string]string{"a": "1"})
	if !errors.As(err, new(*etcdkv.UnknownError)) {
		t.Errorf("got %v, want an UnknownError", err)
	}
	checkOneClass(t, err, class.Unavailable)
}

// An update that another process has overtaken runs again on the newer state, until
// its context ends.
func TestOvertaken(t *testing.T) {
	_, address := newFake(t)
	db, other := openAt(t, address, nil), openAt(t, address, nil)
	runs := 0
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		if runs++; runs <= 3 {
			if err := putAll(t.Context(), other, map[string]string{"x": string(rune('0' + runs))}); err != nil {
				return err
			}
		}
		value, err := tx.Get(t.Context(), []byte("x"))
		if errors.Is(err, kv.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return err
		}
		return tx.Put(t.Context(), []byte("a"), value)
	})
	if err != nil || runs != 4 {
		t.Errorf("got error %v after %d runs, want none after 4", err, runs)
	}
	checkEntries(t, db, map[string]string{"a": "3", "x": "3"})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	runs = 0
	err = db.Update(ctx, func(tx kv.Tx) error {
		runs++
		if err := putAll(t.Context(), other, map[string]string{"x": "4"}); err != nil {
			return err
		}
		cancel()
		return tx.Put(t.Context(), []byte("a"), []byte("4"))
	})
	checkClass(t, err, class.Unavailable)
	if !errors.Is(err, context.Canceled) || runs != 1 {
		t.Errorf("got error %v after %d runs, want that of the context after one", err, runs)
	}
	checkEntries(t, db, map[string]string{"a": "3", "x": "4"})
}

// What one update has read, and what it has not found, nobody changes before it is
// made: neither may both of two that look for the other's key write their own.
func TestNothingReadChangesUnseen(t *testing.T) {
	_, address := newFake(t)
	db, other := openAt(t, address, nil), openAt(t, address, nil)
	unless := func(d kv.DB, mine, others string, between func() error) error {
		return d.Update(t.Context(), func(tx kv.Tx) error {
			for e, err := range tx.Scan(t.Context(), []byte(others)) {
				if err != nil {
					return err
				}
				return errors.New("there is " + string(e.Key))
			}
			if err := between(); err != nil {
				return err
			}
			return tx.Put(t.Context(), []byte(mine), nil)
		})
	}
	nothing := func() error { return nil }
	ran := false
	err := unless(db, "a/1", "b/", func() error {
		ran = true
		return unless(other, "b/1", "a/", nothing)
	})
	if err == nil || err.Error() != "there is b/1" || !ran {
		t.Errorf("got %v, want to be told of b/1", err)
	}
	checkEntries(t, db, map[string]string{"b/1": ""})
}

// An update that writes nothing sends no transaction.
func TestNothingToWrite(t *testing.T) {
	f, db := open(t, nil)
	before := f.calls["txn"]
	if err := db.Update(t.Context(), func(kv.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := f.calls["txn"]; got != before {
		t.Errorf("%d transactions, want none", got-before)
	}
}
