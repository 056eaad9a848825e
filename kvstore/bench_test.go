package kvstore_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// BenchmarkPrune prunes a store of unused tagged images, each with a layer of
// its own on a common base, durably. Beside it stands the limit: one bbolt
// transaction that scans the images, then looks up and deletes the same keys,
// image by image in the same order, without any logic. Few is a prune of which a
// filter chooses five images, and scan a bare scan of the images beside it. With
// -short, there are 3,000 images at most.
func BenchmarkPrune(b *testing.B) {
	for _, n := range []int{100, 3000, 100_000} {
		if testing.Short() && n > 3000 {
			continue
		}
		b.Run(fmt.Sprintf("images=%d", n), func(b *testing.B) {
			file := unusedImages(b, n)
			b.Run("jettison", func(b *testing.B) {
				bench(b, file, n, prune(jettison.PruneOptions{All: true}))
			})
			b.Run("bbolt", func(b *testing.B) { bench(b, file, n, deleteAll(n)) })
			b.Run("few", func(b *testing.B) {
				few := filter.Args{filter.Label: {"few=true"}}
				bench(b, file, n, prune(jettison.PruneOptions{All: true, Filters: few}))
			})
			b.Run("scan", func(b *testing.B) { bench(b, file, n, scanImages) })
		})
	}
}

// BenchmarkPruneBatch prunes 100,000 images in batches of several sizes. What it
// reports besides is how large the heap became.
func BenchmarkPruneBatch(b *testing.B) {
	if testing.Short() {
		b.Skip("a large store")
	}
	const n = 100_000
	file := unusedImages(b, n)
	for _, size := range []int{4096, 16384, 32768, 65536, 131072} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			heap := watchHeap()
			bench(b, file, n, prune(jettison.PruneOptions{All: true, BatchSize: size}))
			b.ReportMetric(float64(heap())/(1<<20), "heap-MiB")
		})
	}
}

// A runner opens the file and returns what is measured, and what ends it.
type runner func(tb testing.TB, path string) (run func(), end func() error)

// bench runs work on a fresh copy of the file each time, which is on the disk
// when the run begins.
func bench(b *testing.B, file string, n int, work runner) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		path := copyOf(b, file)
		run, end := work(b, path)
		runtime.GC() // the garbage of the one before
		b.StartTimer()
		run()
		b.StopTimer()
		must(b, end())
		must(b, os.Remove(path))
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/image")
}

func copyOf(b *testing.B, file string) string {
	from, err := os.Open(file)
	must(b, err)
	to, err := os.Create(filepath.Join(b.TempDir(), "meta.db"))
	must(b, err)
	_, err = io.Copy(to, from)
	must(b, err)
	must(b, to.Sync())
	must(b, from.Close())
	must(b, to.Close())
	return to.Name()
}

// prune opens the store and prunes it.
func prune(opts jettison.PruneOptions) runner {
	return func(tb testing.TB, path string) (func(), func() error) {
		ctx := tb.Context()
		db, err := boltkv.Open(ctx, path, nil)
		must(tb, err)
		service := jettison.New(open(tb, db, nil), nil)
		return func() {
			report, err := service.ImagesPrune(ctx, opts)
			must(tb, err)
			if len(report.ImagesDeleted) == 0 {
				tb.Fatal("nothing was deleted")
			}
		}, db.Close
	}
}

// onBolt opens the file with bbolt alone, for one transaction.
func onBolt(tb testing.TB, path string, f func(*bolt.Bucket) error) (func(), func() error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
	must(tb, err)
	return func() {
		must(tb, db.Update(func(tx *bolt.Tx) error { return f(tx.Bucket([]byte("jettison"))) }))
	}, db.Close
}

// scanImages looks at each byte of the records of the images.
func scanImages(tb testing.TB, path string) (func(), func() error) {
	return onBolt(tb, path, func(bucket *bolt.Bucket) error {
		if n, _ := scan(bucket); n == 0 {
			return errors.New("there are no images")
		}
		return nil
	})
}

// scan returns the number of images and a checksum of their records.
func scan(bucket *bolt.Bucket) (n int, sum uint32) {
	cursor, prefix := bucket.Cursor(), []byte("image/")
	for k, v := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
		n, sum = n+1, sum^crc32.ChecksumIEEE(v)
	}
	return n, sum
}

// deleteAll looks up and deletes the keys of n images, one after another.
func deleteAll(n int) runner {
	return func(tb testing.TB, path string) (func(), func() error) {
		var keys [][]byte
		for i := range n {
			keys = append(keys, newUnused(tb, i).keys()...)
		}
		return onBolt(tb, path, func(bucket *bolt.Bucket) error {
			scan(bucket)
			for _, key := range keys {
				if bucket.Get(key) == nil {
					return fmt.Errorf("no value for %s", key)
				}
				if err := bucket.Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// watchHeap samples the size of the heap until its result is called, which
// returns the largest.
func watchHeap() (largest func() uint64) {
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var most uint64
		for {
			select {
			case <-stop:
				result <- most
				return
			case <-time.After(2 * time.Millisecond):
				metrics.Read(sample)
				most = max(most, sample[0].Value.Uint64())
			}
		}
	}()
	return func() uint64 { close(stop); return <-result }
}

// unusedImages makes a store of n tagged images and returns its file.
func unusedImages(b *testing.B, n int) string {
	path := filepath.Join(b.TempDir(), "meta.db")
	db, err := boltkv.Open(b.Context(), path, &boltkv.Options{NoSync: true})
	must(b, err)
	store := open(b, db, nil)
	for at := 0; at < n; at += 1000 {
		edit(b, store, func(tx *kvstore.Tx) error {
			for i := at; i < min(at+1000, n); i++ {
				if err := newUnused(b, i).add(b.Context(), tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(b, db.Close())
	return path
}

// An unused is a tagged image that nothing uses.
type unused struct {
	config    []byte
	base, own digest.Digest
	ref       reference.Named
}

func newUnused(tb testing.TB, i int) unused {
	u := unused{base: digest.FromString("base"), own: digest.FromString(fmt.Sprint("own ", i))}
	few := i%20_000 == 0
	u.config = fmt.Appendf(nil, `{"created":%q,"architecture":"amd64","os":"linux","config":{"Labels":{"few":"%t"}},"rootfs":{"type":"layers","diff_ids":[%q,%q]}}`,
		time.Unix(int64(i), 0).UTC().Format(time.RFC3339), few, u.base, u.own)
	ref, err := reference.ParseNormalizedNamed(fmt.Sprintf("registry.example.com/team/app%d:1.0", i))
	must(tb, err)
	u.ref = ref
	return u
}

func (u unused) add(ctx context.Context, tx *kvstore.Tx) error {
	img, err := tx.CreateImage(ctx, imagestore.Spec{
		Config:  u.config,
		Layers:  []ocispec.Descriptor{{Digest: u.base, Size: 1 << 20}, {Digest: u.own, Size: 1 << 10}},
		Content: []ocispec.Descriptor{{Digest: digest.FromBytes(u.config), Size: int64(len(u.config))}},
	})
	if err != nil {
		return err
	}
	return tx.Tag(ctx, img.ID, u.ref, refstore.AddOptions{})
}

// keys are those that go with the image.
func (u unused) keys() [][]byte {
	id, ref := digest.FromBytes(u.config).String(), u.ref.String()
	layer := identity.ChainID([]digest.Digest{u.base, u.own}).String()
	var keys [][]byte
	for _, key := range []string{
		"ref/" + ref, "idref/" + id + "/" + ref, "image/" + id, "content/" + id,
		"content/" + u.own.String(), "layer/" + layer,
	} {
		keys = append(keys, []byte(key))
	}
	return keys
}
