package etcdkv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// Several programs, each with several updates at once, work on one store while
// answers are lost and requests are refused at random. Each update that was said to
// be made is there, none is there by half, and none that was said to have failed.
func TestFaultsAtRandom(t *testing.T) {
	f, address := newFake(t)
	faults := []fault{
		{err: errLost},
		{err: errLost, do: true},
		{err: errLost, late: true},
		{err: rpctypes.ErrGRPCTimeout, do: true},
		{err: rpctypes.ErrGRPCNoSpace},
		{err: rpctypes.ErrGRPCNoSpace, do: true},
		{err: errRefused},
		{err: errRefused},
	}
	var workers [6]*worker
	var db kv.DB
	for i := range workers {
		if i%2 == 0 { // two share a DB
			db = openAt(t, address, few)
		}
		workers[i] = &worker{name: fmt.Sprint("worker", i), db: db, ended: map[string]int{}, most: 12}
	}
	f.faulty(func(*pb.TxnRequest) fault {
		if rand.IntN(3) > 0 {
			return fault{}
		}
		return faults[rand.IntN(len(faults))]
	})
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() { w.work(t.Context(), t) })
	}
	all.Wait()
	f.faulty(nil)
	ended := map[string]int{}
	for _, w := range workers {
		w.judge(t, db)
		for how, n := range w.ended {
			ended[how] += n
		}
	}
	t.Logf("updates ended: %v", ended)
	if ended["made"] == 0 || ended["failed"] == 0 {
		t.Errorf("updates ended %v, want some of each", ended)
	}
	if err := putAll(t.Context(), db, many("last", 50, "")); err != nil {
		t.Fatal(err)
	}
	if got := f.names("/jettison/log/"); len(got) > 0 {
		t.Errorf("logs are left: %q", got)
	}
}

// A worker updates its keys of a store, all to the same number, one number after
// another; how many keys there are decides whether an update needs a log.
type worker struct {
	name  string
	db    kv.DB
	last  int // the number that was said to be written last
	most  int // updates, or 0 until the context ends
	ended map[string]int
	made  chan<- struct{} // is told of updates that were made
}

func (w *worker) prefix() string { return w.name + "/" }

func (w *worker) work(ctx context.Context, t *testing.T) {
	for n := 1; ctx.Err() == nil && (w.most == 0 || n <= w.most); n++ {
		err := w.write(ctx, t, n)
		switch {
		case err == nil:
			w.ended["made"]++
			w.last = n
			select {
			case w.made <- struct{}{}:
			default:
			}
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
