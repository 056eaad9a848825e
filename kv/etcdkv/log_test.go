package etcdkv_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

var few = &etcdkv.Options{MaxOps: 8}

// A program may end at any step of an update that needs a log: then all of it is
// there or nothing, whoever looks, and others go on.
func TestLogIsCutAnywhere(t *testing.T) {
	before, after := many("a", 30, "old"), many("a", 60, "new")
	seen := map[string]int{}
	for _, last := range []fault{{err: errRefused}, {err: errLost, do: true}} {
		for n := 0; ; n++ {
			f, address := newFake(t)
			db := openAt(t, address, few)
			if err := putAll(t.Context(), db, before); err != nil {
				t.Fatal(err)
			}
			ended := f.cut(n, last)
			err := putAll(t.Context(), db, after)
			cut := ended()
			seen[checkCut(t, openAt(t, address, few), before, after, err)]++
			if !cut {
				break
			}
		}
	}
	if seen["nothing"] == 0 || seen["all"] == 0 || seen["unknown all"] == 0 {
		t.Errorf("got outcomes %v, want nothing, all, and all that is not known", seen)
	}
}

// checkCut looks at what another program sees after an update that ended with err,
// before and after it has written, and says what became of the update.
func checkCut(t *testing.T, db kv.DB, before, after map[string]string, err error) string {
	t.Helper()
	got, viewErr := entriesOf(t.Context(), db, "")
	if viewErr != nil {
		t.Fatal(viewErr)
	}
	all, nothing, unknown := cmp.Equal(got, after), cmp.Equal(got, before), errors.As(err, new(*etcdkv.UnknownError))
	switch {
	case !all && !nothing:
		t.Errorf("half of an update is there: %v", got)
	case err == nil && !all, err != nil && !unknown && !nothing:
		t.Errorf("update returns %v, and all of it is there: %t", err, all)
	}
	if err := putAll(t.Context(), db, map[string]string{"b": "1"}); err != nil {
		t.Errorf("an update after one that was cut: %v", err)
	}
	checkEntries(t, db, both(got, map[string]string{"b": "1"}))
	outcome := map[bool]string{true: "all", false: "nothing"}[all]
	if unknown {
		outcome = "unknown " + outcome
	}
	return outcome
}

// While a log is not settled, views show it upon the entries: keys that it adds,
// changes and removes, in their order, and those it leaves alone.
func TestViewShowsTheLog(t *testing.T) {
	f, address := newFake(t)
	db := openAt(t, address, few)
	want := many("m", 40, "old")
	if err := putAll(t.Context(), db, want); err != nil {
		t.Fatal(err)
	}
	f.faulty(func(r *pb.TxnRequest) fault {
		if len(r.Success) > 3 { // the log and the head are written, nothing more
			return fault{err: errRefused}
		}
		return fault{}
	})
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		for i := range 20 {
			gone, changed, added := fmt.Sprintf("m%05d", 2*i), fmt.Sprintf("m%05d", 2*i+1), fmt.Sprintf("m%05d/", i)
			if err := tx.Delete(t.Context(), []byte(gone)); err != nil {
				return err
			}
			if err := putIn(t.Context(), tx, map[string]string{changed: "new", added: "new"}); err != nil {
				return err
			}
			delete(want, gone)
			want[changed], want[added] = "new", "new"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if logs := f.names("/jettison/log/"); len(logs) == 0 {
		t.Error("there is no log that is not settled")
	}
	other := openAt(t, address, few)
	checkEntries(t, other, want)
	err = other.View(t.Context(), func(r kv.Reader) error {
		if _, err := r.Get(t.Context(), []byte("m00000")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("a key that the log removes: %v", err)
		}
		value, err := r.Get(t.Context(), []byte("m00001"))
		if string(value) != "new" {
			t.Errorf("a key that the log changes is %q", value)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}

	f.faulty(nil)
	if err := putAll(t.Context(), other, map[string]string{"z": "1"}); err != nil {
		t.Fatal(err)
	}
	if logs := f.names("/jettison/log/"); len(logs) > 0 {
		t.Errorf("logs are left once they are settled: %q", logs)
	}
	checkEntries(t, db, both(want, map[string]string{"z": "1"}))
}

// A view that began before a log was written, and one that began while it was being
// settled, go on seeing their states.
func TestViewsBesideALog(t *testing.T) {
	_, address := newFake(t)
	db, other := openAt(t, address, few), openAt(t, address, few)
	before, after := many("a", 50, "old"), many("a", 50, "new")
	if err := putAll(t.Context(), db, before); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(r kv.Reader) error {
		n := 0
		for e, err := range r.Scan(t.Context(), nil) {
			if n++; n == 1 {
				if err := putAll(t.Context(), other, after); err != nil {
					return err
				}
			}
			if err != nil || string(e.Value) != "old" {
				return fmt.Errorf("%s is %q, %w", e.Key, e.Value, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	checkEntries(t, db, after)
}

// Logs of which nothing came go with the next one.
func TestLogsAreNotLeft(t *testing.T) {
	f, address := newFake(t)
	db := openAt(t, address, few)
	ended := f.cut(1, fault{err: errRefused})
	if err := putAll(t.Context(), db, many("a", 30, "1")); err == nil {
		t.Fatal("an update succeeds whose commit is refused")
	}
	if logs := f.names("/jettison/log/"); len(logs) == 0 {
		t.Fatal("the update has left no log")
	}
	ended()
	if err := putAll(t.Context(), db, map[string]string{"b": "1"}); err != nil {
		t.Fatal(err)
	}
	f.cut(1, fault{err: errRefused})
	if err := putAll(t.Context(), db, many("a", 30, "1")); err == nil {
		t.Fatal("an update succeeds whose commit is refused")
	}
	if logs := f.names("/jettison/log/"); len(logs) != 1 {
		t.Errorf("got logs %q, want the one of the last update", logs)
	}
}

// Of updates with logs that race, one overtakes the other, and both are made.
func TestLogsRace(t *testing.T) {
	f, address := newFake(t)
	db, other := openAt(t, address, few), openAt(t, address, few)
	runs := 0
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		if runs++; runs == 1 {
			if err := putAll(t.Context(), other, many("a", 50, "other")); err != nil {
				return err
			}
		}
		return putIn(t.Context(), tx, many("b", 50, "mine"))
	})
	if err != nil || runs != 2 {
		t.Errorf("got error %v after %d runs, want none after two", err, runs)
	}
	checkEntries(t, db, both(many("a", 50, "other"), many("b", 50, "mine")))
	if logs := f.names("/jettison/log/"); len(logs) > 0 {
		t.Errorf("logs are left: %q", logs)
	}
}

// An update whose log the server does not take ends, though what is left of it cannot
// be removed either.
func TestLogOfAServerThatIsGone(t *testing.T) {
	f, db := open(t, &etcdkv.Options{MaxOps: 8, CommitTimeout: 50 * time.Millisecond})
	removals := 0
	f.faulty(func(r *pb.TxnRequest) fault {
		if len(r.Success) == 1 && r.Success[0].GetRequestDeleteRange() != nil {
			if removals++; removals > 1 {
				return fault{} // so that the test ends
			}
		}
		return fault{err: errLost}
	})
	err := putAll(t.Context(), db, many("a", 30, "1"))
	checkOneClass(t, err, class.Unavailable)
	if removals != 1 || errors.As(err, new(*etcdkv.UnknownError)) {
		t.Errorf("got error %v after %d tries to remove the log, want one that nothing has changed after one", err, removals)
	}
	f.faulty(nil)
	checkEntries(t, db, map[string]string{})
}

// A server that takes fewer operations than it was thought to gets more requests: for
// updates that should have fitted one transaction, and for those that are settled.
func TestServerTakesFewerOperations(t *testing.T) {
	f, db := open(t, &etcdkv.Options{MaxOps: 50})
	f.mu.Lock()
	f.maxOps = 16
	f.mu.Unlock()
	want := map[string]string{}
	for _, n := range []int{10, 30, 120, 1} {
		update := many(fmt.Sprintf("%d/", n), n, "1")
		if err := putAll(t.Context(), db, update); err != nil {
			t.Fatalf("an update of %d entries: %v", n, err)
		}
		want = both(want, update)
		checkEntries(t, db, want)
		if logs := f.names("/jettison/log/"); len(logs) > 0 {
			t.Errorf("logs are left after an update of %d entries: %q", n, logs)
		}
	}
}
