package boltkv_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/kv"
)

// BenchmarkCallers measures a durable Put by 1 to 64 goroutines at once, beside
// bbolt's own Batch and Update on the same keys. It reports how many commits an
// operation costs.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			b.Run("boltkv", func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "db")
				db := open(b, path, nil)
				benchCallers(b, callers, func(ctx context.Context, key, value []byte) error {
					return db.Update(ctx, func(tx kv.Tx) error { return tx.Put(ctx, key, value) })
				})
				closeDB(b, db)
				reportCommits(b, path)
			})
			for name, run := range map[string]func(db *bolt.DB, fn func(*bolt.Tx) error) error{
				"bbolt-batch": (*bolt.DB).Batch, "bbolt-update": (*bolt.DB).Update,
			} {
				b.Run(name, func(b *testing.B) { benchBolt(b, callers, run) })
			}
		})
	}
}

func benchBolt(b *testing.B, callers int, run func(db *bolt.DB, fn func(*bolt.Tx) error) error) {
	path := filepath.Join(b.TempDir(), "db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		b.Fatal(err)
	}
	benchCallers(b, callers, func(_ context.Context, key, value []byte) error {
		return run(db, func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("jettison"))
			if err != nil {
				return err
			}
			return bucket.Put(key, value)
		})
	})
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	reportCommits(b, path)
}

// benchCallers shares b.N puts among the callers.
func benchCallers(b *testing.B, callers int, put func(ctx context.Context, key, value []byte) error) {
	b.ReportAllocs()
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := put(b.Context(), fmt.Appendf(nil, "bench/%064d", n%20_000), make([]byte, 32)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

func reportCommits(b *testing.B, path string) {
	b.ReportMetric(float64(lastCommit(b, path))/float64(b.N), "commits/op")
}
