//go:build interop

package etcdkv_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

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
	made := make(chan struct{}, 1)
	var workers [4]*worker
	var all sync.WaitGroup
	for i := range workers {
		opts := &etcdkv.Options{MaxOps: 16, CommitTimeout: time.Minute}
		if i%2 == 1 { // these give up, and then an update may be unknown
			opts.CommitTimeout = 100 * time.Millisecond
		}
		workers[i] = &worker{name: fmt.Sprint("worker", i), db: openAt(t, d.address, opts), ended: map[string]int{}, made: made}
		all.Go(func() { workers[i].work(ctx, t) })
	}
	for range kills {
		<-made // so that each kill is worth it
		time.Sleep(time.Duration(random.IntN(int(100 * time.Millisecond))))
		d.kill(t)
		d.start(t)
	}
	cancel()
	all.Wait()
	db := openAt(t, d.address, nil)
	for _, w := range workers {
		w.judge(t, db)
		t.Logf("%s: updates ended: %v", w.name, w.ended)
	}
}
