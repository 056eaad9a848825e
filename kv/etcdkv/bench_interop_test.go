//go:build interop

package etcdkv_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
	"github.com/jettison-oci/jettison/kv/kvtest"
)

// BenchmarkInterop measures the engine on an etcd of its own.
func BenchmarkInterop(b *testing.B) {
	d := newDaemon(b)
	kvtest.Bench(b, d.stores(0))
}

// BenchmarkUpdate makes updates of so many entries, and beside each one, in the same
// run, puts the same bytes by bare transactions of etcd, one after another: as many
// as it takes, which are not all or nothing together. Reported is the time of an
// update, that of the bare transactions, and how much longer the update takes.
func BenchmarkUpdate(b *testing.B) {
	sizes := []int{1, 10, 100, 1000, 10_000}
	if testing.Short() {
		sizes = []int{1, 300}
	}
	d := newDaemon(b)
	c := client(b, d.address)
	for _, n := range sizes {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			db := openAt(b, d.address, &etcdkv.Options{Prefix: fmt.Sprintf("/update/%d", n)})
			entries := many(strings.Repeat("k", 80), n, strings.Repeat("v", 40))
			var ours, bare time.Duration
			for b.Loop() {
				ours += timed(b, func() error { return putAll(b.Context(), db, entries) })
				bare += timed(b, func() error { return putBare(b.Context(), c, entries) })
			}
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "jettison-µs")
			b.ReportMetric(float64(bare.Microseconds())/float64(b.N), "etcd-µs")
			b.ReportMetric(float64(ours)/float64(bare), "jettison/etcd")
		})
	}
}

// BenchmarkOvertaken makes small updates from two programs at once.
func BenchmarkOvertaken(b *testing.B) {
	d := newDaemon(b)
	for _, programs := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("programs=%d", programs), func(b *testing.B) {
			var dbs []kv.DB
			for range programs {
				dbs = append(dbs, openAt(b, d.address, nil))
			}
			for b.Loop() {
				all := make(chan error, programs)
				for i, db := range dbs {
					go func() { all <- putAll(b.Context(), db, map[string]string{fmt.Sprint(i): "1"}) }()
				}
				for range dbs {
					if err := <-all; err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// putBare puts entries by transactions as large as etcd takes.
func putBare(ctx context.Context, c *clientv3.Client, entries map[string]string) error {
	var ops []clientv3.Op
	for key, value := range entries {
		if ops = append(ops, clientv3.OpPut("/bare/"+key, value)); len(ops) == 128 {
			if _, err := c.Txn(ctx).Then(ops...).Commit(); err != nil {
				return err
			}
			ops = nil
		}
	}
	if len(ops) == 0 {
		return nil
	}
	_, err := c.Txn(ctx).Then(ops...).Commit()
	return err
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}
