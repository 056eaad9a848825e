//go:build interop

package etcdkv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// TestInteropServerKilled kills the server at random below several programs that
// update a store, JETTISON_TEST_ETCD_KILLS times, and starts it again each time.
// Each update that was said to be made is there, none is there by half, and none
// that was said to have failed.
func TestInteropServerKilled(t *testing.T) {
	kills := 5
	if text := os.Getenv("JETTISON_TEST_ETCD_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number does
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newDaemon(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var workers [4]*worker
	var all sync.WaitGroup
	for i := range workers {
		opts := &etcdkv.Options{MaxOps: 16, CommitTimeout: time.Minute}
		if i%2 == 1 { // these give up, and then an update may be unknown
			opts.CommitTimeout = 100 * time.Millisecond
		}
		workers[i] = &worker{name: fmt.Sprint("worker", i), db: openAt(t, d.address, opts), ended: map[string]int{}}
		all.Go(func() { workers[i].work(ctx, t) })
	}
	for range kills {
		time.Sleep(time.Duration(random.IntN(int(300 * time.Millisecond))))
		d.kill(t)
		d.start(t)
	}
	cancel()
	all.Wait()
	db := openAt(t, d.address, nil)
	for _, w := range workers {
		w.judge(t, db)
		t.Logf("%s: updates ended: %v", w.name, w.ended)
		if kills >= 5 && w.ended["made"] < kills/2 {
			t.Errorf("%s has done nothing that is worth a test: %v", w.name, w.ended)
		}
	}
}

// A worker updates its keys of a store, all to the same number, one number after
// another; how many keys there are decides whether an update needs a log.
type worker struct {
	name  string
	db    kv.DB
	last  int // the number that was said to be written last
	ended map[string]int
}

func (w *worker) prefix() string { return w.name + "/" }

func (w *worker) work(ctx context.Context, t *testing.T) {
	for n := 1; ctx.Err() == nil; n++ {
		err := w.write(ctx, t, n)
		switch {
		case err == nil:
			w.ended["made"]++
			w.last = n
		case errors.As(err, new(*etcdkv.UnknownError)):
			w.ended["unknown"]++
			w.resolve(ctx, t, n)
		default:
			w.ended["failed"]++
			w.look(ctx, t)
		}
	}
}

// write sets the worker's keys to n. It also adds one to a counter that is common to
// all, so that workers overtake each other.
func (w *worker) write(ctx context.Context, t *testing.T, n int) error {
	return w.db.Update(ctx, func(tx kv.Tx) error {
		found, err := w.read(ctx, tx)
		if err != nil {
			return err
		}
		if found != w.last {
			t.Errorf("%s reads %d, and wrote %d last", w.name, found, w.last)
		}
		count, err := counter(ctx, tx)
		if err != nil {
			return err
		}
		if err := tx.Put(ctx, []byte("count"), strconv.AppendInt(nil, int64(count+1), 10)); err != nil {
			return err
		}
		return putIn(ctx, tx, many(w.prefix(), 3+n%3*20, strconv.Itoa(n)))
	})
}

func counter(ctx context.Context, r kv.Reader) (int, error) {
	value, err := r.Get(ctx, []byte("count"))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(value))
}

// read returns the number of the worker's last update, and an error if an update is
// there by half: the first keys belong to every update.
func (w *worker) read(ctx context.Context, r kv.Reader) (int, error) {
	highest, wrote, i := 0, map[int]int{}, 0
	for e, err := range r.Scan(ctx, []byte(w.prefix())) {
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(e.Value))
		if err != nil {
			return 0, err
		}
		highest = max(highest, n)
		wrote[i], i = n, i+1
	}
	for i := range 3 + highest%3*20 {
		if highest > 0 && wrote[i] != highest {
			return 0, &halfError{w.name, highest, i, wrote[i]}
		}
	}
	return highest, nil
}

// A halfError says that an update is there by half.
type halfError struct {
	worker            string
	update, key, with int
}

func (e *halfError) Error() string {
	return fmt.Sprintf("%s: update %d is there, but key %d is of update %d", e.worker, e.update, e.key, e.with)
}

// resolve finds out what became of update n.
func (w *worker) resolve(ctx context.Context, t *testing.T, n int) {
	if found, ok := w.look(ctx, t); ok {
		if found != w.last && found != n {
			t.Errorf("%s finds %d, and wrote %d or %d last", w.name, found, w.last, n)
		}
		w.last = found
	}
}

// look reads until the server answers or the test ends.
func (w *worker) look(ctx context.Context, t *testing.T) (int, bool) {
	for ctx.Err() == nil {
		found := 0
		// An update of which nothing is known may be made until the store is changed
		// again.
		err := w.db.Update(ctx, func(tx kv.Tx) (err error) {
			if found, err = w.read(ctx, tx); err != nil {
				return err
			}
			return tx.Put(ctx, []byte("looked"), []byte(w.name))
		})
		if err == nil {
			return found, true
		}
		if errors.As(err, new(*halfError)) {
			t.Error(err)
			return 0, false
		}
	}
	return 0, false
}

// judge looks at what the worker has left.
func (w *worker) judge(t *testing.T, db kv.DB) {
	t.Helper()
	err := db.View(t.Context(), func(r kv.Reader) error {
		found, err := w.read(t.Context(), r)
		if found < w.last {
			t.Errorf("%s finds %d, and was told that %d is written", w.name, found, w.last)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
