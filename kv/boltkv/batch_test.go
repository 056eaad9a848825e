package boltkv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// lastCommit returns the number of the last commit to a file that nobody has
// open.
func lastCommit(t testing.TB, path string) (id int) {
	t.Helper()
	db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // nothing was written
	if err := db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// An update is the function of an Update and what becomes of it.
type update struct {
	ctx      context.Context
	fn       func(tx kv.Tx) error
	err      error
	panicked any
	returned bool // rather than ended its goroutine
}

func (u *update) run(ctx context.Context, db kv.DB) {
	defer func() { u.panicked = recover() }()
	if u.ctx != nil {
		ctx = u.ctx
	}
	u.err = db.Update(ctx, u.fn)
	u.returned = true
}

// together runs updates on a new file in one batch, in their order, and returns
// how many commits that took. Each waits before the one ahead of it has ended.
func together(t *testing.T, path string, opts *boltkv.Options, updates ...*update) (commits int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db, err := boltkv.Open(t.Context(), path, opts)
		if err != nil {
			t.Fatal(err)
		}
		var (
			once sync.Once
			wg   sync.WaitGroup
		)
		first := &update{fn: func(tx kv.Tx) error {
			once.Do(func() {
				for _, u := range updates {
					wg.Go(func() { u.run(t.Context(), db) })
					synctest.Wait() // until it waits for its turn
				}
			})
			return tx.Put(t.Context(), []byte("first"), nil)
		}}
		first.run(t.Context(), db)
		wg.Wait()
		if first.err != nil && !errors.Is(first.err, class.Unavailable) {
			t.Errorf("the update that leads: %v", first.err)
		}
		closeDB(t, db)
	})
	return lastCommit(t, path)
}

// newFile returns the path of a file with the entries "a" and "b", and the number
// of its last commit.
func newFile(t testing.TB) (path string, commits int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	db := open(t, path, nil)
	put(t, db, "a", "1")
	put(t, db, "b", "1")
	closeDB(t, db)
	return path, lastCommit(t, path)
}

func putting(t *testing.T, key, value string) *update {
	return &update{fn: func(tx kv.Tx) error { return tx.Put(t.Context(), []byte(key), []byte(value)) }}
}

// contents returns all entries as text.
func contents(t testing.TB, path string) (text string) {
	t.Helper()
	db := open(t, path, nil)
	defer closeDB(t, db)
	err := db.View(t.Context(), func(r kv.Reader) error {
		for e, err := range r.Scan(t.Context(), nil) {
			if err != nil {
				return err
			}
			text += fmt.Sprintf("%s=%.9s ", e.Key, e.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUpdatesShareACommit(t *testing.T) {
	path, before := newFile(t)
	var updates []*update
	for i := range 16 {
		updates = append(updates, putting(t, fmt.Sprintf("c%02d", i), ""))
	}
	if got := together(t, path, nil, updates...) - before; got != 1 {
		t.Errorf("17 updates took %d commits, want 1", got)
	}
	for i, u := range updates {
		if u.err != nil {
			t.Errorf("update %d: %v", i, u.err)
		}
	}
	if got, want := len(contents(t, path)), len("a=1 b=1 first= ")+16*len("c00= "); got != want {
		t.Errorf("got %d characters of entries, want %d", got, want)
	}
}

// What one function of a batch writes, the next ones read; what one wrote that
// failed, panicked or ended its goroutine, nobody does. The others share a
// commit all the same.
func TestAFunctionOfABatchThatFailsLeavesNoTrace(t *testing.T) {
	stop := errors.New("stop")
	endings := map[string]func() error{
		"error":  func() error { return stop },
		"panic":  func() error { panic(stop) },
		"goexit": func() error { runtime.Goexit(); return nil },
	}
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			path, before := newFile(t)
			meddling := &update{fn: func(tx kv.Tx) error {
				for _, err := range []error{
					tx.Put(ctx, []byte("a"), []byte("meddled")), tx.Put(ctx, []byte("c"), []byte("meddled")),
					tx.Delete(ctx, []byte("b")), tx.Delete(ctx, []byte("mine")),
				} {
					if err != nil {
						return err
					}
				}
				return end()
			}}
			var seen string
			looking := &update{fn: func(tx kv.Tx) error {
				for e, err := range tx.Scan(ctx, nil) {
					if err != nil {
						return err
					}
					seen += fmt.Sprintf("%s=%s ", e.Key, e.Value)
				}
				return tx.Put(ctx, []byte("z"), nil)
			}}
			commits := together(t, path, nil, putting(t, "mine", "1"), meddling, looking, meddling.again()) - before
			if commits != 1 {
				t.Errorf("got %d commits, want 1", commits)
			}
			if want := "a=1 b=1 first= mine=1 "; seen != want {
				t.Errorf("the next one saw %q, want %q", seen, want)
			}
			if got, want := contents(t, path), "a=1 b=1 first= mine=1 z= "; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			returned, panicked := name == "error", name == "panic"
			if meddling.returned != returned || (meddling.panicked == stop) != panicked || returned && meddling.err != stop { //nolint:errorlint // identity is the rule
				t.Errorf("got error %v and panic %v, returned %t; want %s of %v", meddling.err, meddling.panicked, meddling.returned, name, stop)
			}
		})
	}
}

func (u *update) again() *update { return &update{fn: u.fn} }

// Whoever waits and whose context ends goes, and the batch goes on without it.
func TestAWaiterOfABatchGoesWithItsContext(t *testing.T) {
	path, before := newFile(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := putting(t, "gone", "")
	gone.ctx = ctx
	ends := &update{fn: func(kv.Tx) error { cancel(); return nil }}
	if got := together(t, path, nil, ends, gone, putting(t, "c", "")) - before; got != 1 {
		t.Errorf("got %d commits, want 1", got)
	}
	if !errors.Is(gone.err, context.Canceled) || !errors.Is(gone.err, class.Unavailable) {
		t.Errorf("got error %v, want context.Canceled of class Unavailable", gone.err)
	}
	if got, want := contents(t, path), "a=1 b=1 c= first= "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A batch in which nothing is written but removals of what is not there costs no
// write.
func TestABatchThatChangesNothingIsNotCommitted(t *testing.T) {
	path, before := newFile(t)
	ctx := t.Context()
	remove := &update{fn: func(tx kv.Tx) error { return tx.Delete(ctx, []byte("not there")) }}
	undo := &update{fn: func(tx kv.Tx) error { return tx.Delete(ctx, []byte("first")) }}
	if got := together(t, path, nil, remove, remove.again(), undo) - before; got != 0 {
		t.Errorf("got %d commits, want none", got)
	}
}

// Large writes and many functions are spread over several commits.
func TestABatchIsBounded(t *testing.T) {
	path, before := newFile(t)
	large := func(i int) *update { return putting(t, fmt.Sprint("large", i), string(make([]byte, 700<<10))) }
	if got := together(t, path, nil, large(1), large(2), large(3), large(4)) - before; got != 2 {
		t.Errorf("four updates of 700 KiB: got %d commits, want 2", got)
	}
	path, before = newFile(t)
	var many []*update
	for i := range 300 {
		many = append(many, putting(t, fmt.Sprint(i), ""))
	}
	if got := together(t, path, &boltkv.Options{NoSync: true}, many...) - before; got != 2 {
		t.Errorf("301 updates: got %d commits, want 2", got)
	}
}

// A function that meets damage fails alone, whether it shows when it reads or
// when what it wrote is to be committed.
func TestDamageSpoilsNoOtherUpdateOfABatch(t *testing.T) {
	ctx, data := t.Context(), wholeFile(t)
	key := []byte("key/1/0390")
	for at := bytes.Index(data, key); at >= 0; at = bytes.Index(data, key) {
		fillWith(data[at/pageSize*pageSize:][:pageSize][8:], 0xff)
	}
	for name, meet := range map[string]func(tx kv.Tx) error{
		"get": func(tx kv.Tx) error { _, _ = tx.Get(ctx, key); return nil },
		"put": func(tx kv.Tx) error { return tx.Put(ctx, key, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, data)
			meeting := &update{fn: func(tx kv.Tx) error {
				if err := tx.Put(ctx, []byte("a"), []byte("1")); err != nil {
					return err
				}
				return meet(tx)
			}}
			failing := &update{fn: func(tx kv.Tx) error { _, err := tx.Get(ctx, []byte("a")); return err }}
			others := []*update{putting(t, "b", "1"), putting(t, "c", "1")}
			together(t, path, nil, others[0], meeting, failing, others[1])
			wantDamaged(t, meeting.err, path)
			if !errors.Is(failing.err, kv.ErrNotFound) {
				t.Errorf("one that reads what is not to last: got error %v, want kv.ErrNotFound", failing.err)
			}
			db := open(t, path, nil)
			for i, key := range []string{"b", "c"} {
				if others[i].err != nil {
					t.Errorf("an update beside it: %v", others[i].err)
				}
				if _, err := get(t, db, key); err != nil {
					t.Errorf("get %s: %v", key, err)
				}
			}
			if _, err := get(t, db, "a"); !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("get of what was put beside damage: error %v; want kv.ErrNotFound", err)
			}
		})
	}
}

// Close waits for a batch and for those who wait for their turn.
func TestCloseWaitsForABatch(t *testing.T) {
	path, _ := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := boltkv.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		second, third := putting(t, "second", ""), putting(t, "third", "")
		err = db.Update(t.Context(), func(tx kv.Tx) error {
			wg.Go(func() { second.run(t.Context(), db) })
			synctest.Wait()
			wg.Go(func() { closeDB(t, db) })
			synctest.Wait()
			third.run(t.Context(), db)
			return nil
		})
		wg.Wait()
		if err != nil || second.err != nil {
			t.Errorf("got errors %v and %v, want none", err, second.err)
		}
		if !errors.Is(third.err, class.Unavailable) {
			t.Errorf("an update after close: got error %v, want one of class Unavailable", third.err)
		}
	})
	if got, want := contents(t, path), "a=1 b=1 second= "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Sixteen goroutines move units between accounts; some fail midway, panic or
// lose their context. No state that anyone sees has more or fewer units.
func TestNoStateIsHalfDone(t *testing.T) {
	const accounts, units = 5, 1000
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, &boltkv.Options{NoSync: true})
	put(t, db, "account/0", fmt.Sprint(units))
	var (
		wg    sync.WaitGroup
		moved atomic.Int64
	)
	for g := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 60 {
				m := move{from: r.IntN(accounts), to: r.IntN(accounts), ending: r.IntN(8)}
				u := &update{fn: func(tx kv.Tx) error { return m.run(t.Context(), tx) }}
				if m.ending == 0 {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Microsecond)
					defer cancel()
					u.ctx = ctx
				}
				if u.run(t.Context(), db); u.returned && u.err == nil {
					moved.Add(1)
				}
				if err := db.View(t.Context(), func(r kv.Reader) error { return wantSum(t.Context(), r, units) }); err != nil {
					t.Error("in a view:", err)
				}
			}
		})
	}
	wg.Wait()
	if moved.Load() < 16 {
		t.Errorf("%d moves succeeded, want more", moved.Load())
	}
	got, err := get(t, db, "moves")
	if want := fmt.Sprint(moved.Load()); err != nil || got != want {
		t.Errorf("got %s moves (error %v), want %s", got, err, want)
	}
}

// A move of a unit from one account to another ends badly for some endings.
type move struct{ from, to, ending int }

func (m move) run(ctx context.Context, tx kv.Tx) error {
	if err := wantSum(ctx, tx, 1000); err != nil {
		return fmt.Errorf("in an update: %w", err)
	}
	if err := add(ctx, tx, fmt.Sprintf("account/%d", m.from), -1); err != nil {
		return err
	}
	switch m.ending {
	case 1:
		return errors.New("midway")
	case 2:
		panic("midway")
	case 3:
		runtime.Goexit()
	}
	return errors.Join(add(ctx, tx, fmt.Sprintf("account/%d", m.to), 1), add(ctx, tx, "moves", 1))
}

func add(ctx context.Context, tx kv.Tx, key string, n int) error {
	value, err := tx.Get(ctx, []byte(key))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	old, _ := strconv.Atoi(string(value))
	return tx.Put(ctx, []byte(key), strconv.AppendInt(nil, int64(old+n), 10))
}

// wantSum says how the units of all accounts differ from want.
func wantSum(ctx context.Context, r kv.Reader, want int) error {
	sum := 0
	for e, err := range r.Scan(ctx, []byte("account/")) {
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return err
		}
		sum += n
	}
	if sum != want {
		return fmt.Errorf("got %d units, want %d", sum, want)
	}
	return nil
}

// What is written in a batch is seen by no View before the commit.
func TestViewsSeeNothingOfABatch(t *testing.T) {
	path, _ := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		db, err := boltkv.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer closeDB(t, db)
		var wg sync.WaitGroup
		look := &update{fn: func(kv.Tx) error {
			wg.Go(func() {
				if got, err := get(t, db, "a"); err != nil || got != "1" {
					t.Errorf("a view during a batch: got %q, %v; want %q", got, err, "1")
				}
			})
			synctest.Wait()
			return nil
		}}
		err = db.Update(t.Context(), func(tx kv.Tx) error {
			wg.Go(func() { look.run(t.Context(), db) })
			synctest.Wait()
			return tx.Put(t.Context(), []byte("a"), []byte("2"))
		})
		wg.Wait()
		if err != nil || look.err != nil {
			t.Errorf("got errors %v and %v, want none", err, look.err)
		}
		if got, err := get(t, db, "a"); err != nil || got != "2" {
			t.Errorf("after the batch: got %q, %v; want %q", got, err, "2")
		}
	})
}
