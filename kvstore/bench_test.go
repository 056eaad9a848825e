package kvstore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// BenchmarkPrune prunes a store of unused tagged images, each with a layer of
// its own on a common base, durably. Beside it stands the limit: one bbolt
// transaction that looks at the same entries and deletes them, without any
// logic. With -short, there are 3,000 images at most.
func BenchmarkPrune(b *testing.B) {
	for _, n := range []int{100, 3000, 100_000} {
		if testing.Short() && n > 3000 {
			continue
		}
		b.Run(fmt.Sprintf("images=%d", n), func(b *testing.B) {
			file := unusedImages(b, n)
			b.Run("jettison", func(b *testing.B) { bench(b, file, n, pruneAll) })
			b.Run("bbolt", func(b *testing.B) { bench(b, file, n, deleteAll) })
		})
	}
}

// bench runs work on a fresh copy of the file each time.
func bench(b *testing.B, file string, n int, work func(testing.TB, string) func()) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(b.TempDir(), "meta.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		run := work(b, path)
		b.StartTimer()
		run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/image")
}

// pruneAll opens the store and returns what prunes it.
func pruneAll(tb testing.TB, path string) func() {
	ctx := tb.Context()
	db, err := boltkv.Open(ctx, path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	store, err := kvstore.New(ctx, db, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return func() {
		report, err := jettison.New(store, nil).ImagesPrune(ctx, jettison.PruneOptions{All: true})
		if err != nil || len(report.ImagesDeleted) == 0 {
			tb.Fatalf("%d records, error %v", len(report.ImagesDeleted), err)
		}
		if err := db.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

// deleteAll opens the file with bbolt alone and returns what reads and deletes
// the entries of all images. The commit is one.
func deleteAll(tb testing.TB, path string) func() {
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		tb.Fatal(err)
	}
	return func() {
		err := db.Update(func(tx *bolt.Tx) error {
			bucket := tx.Bucket([]byte("jettison"))
			var keys [][]byte
			for _, prefix := range []string{"content/", "idref/", "image/", "layer/", "ref/"} {
				cursor := bucket.Cursor()
				for k, _ := cursor.Seek([]byte(prefix)); bytes.HasPrefix(k, []byte(prefix)); k, _ = cursor.Next() {
					keys = append(keys, bytes.Clone(k))
				}
			}
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
		if err != nil {
			tb.Fatal(err)
		}
		if err := db.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

// unusedImages makes a store of n tagged images and returns its file.
func unusedImages(b *testing.B, n int) string {
	ctx, path := b.Context(), filepath.Join(b.TempDir(), "meta.db")
	db, err := boltkv.Open(ctx, path, &boltkv.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	store, err := kvstore.New(ctx, db, nil)
	if err != nil {
		b.Fatal(err)
	}
	for at := 0; at < n; at += 1000 {
		if err := store.Edit(ctx, func(tx *kvstore.Tx) error { return addUnused(ctx, tx, at, min(at+1000, n)) }); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

func addUnused(ctx context.Context, tx *kvstore.Tx, from, to int) error {
	for i := from; i < to; i++ {
		base, own := digest.FromString("base"), digest.FromString(fmt.Sprint("own ", i))
		config := fmt.Appendf(nil, `{"created":%q,"architecture":"amd64","os":"linux","config":{"Labels":{"n":"%d"}},"rootfs":{"type":"layers","diff_ids":[%q,%q]}}`,
			time.Unix(int64(i), 0).UTC().Format(time.RFC3339), i, base, own)
		img, err := tx.CreateImage(ctx, imagestore.Spec{
			Config:  config,
			Layers:  []ocispec.Descriptor{{Digest: base, Size: 1 << 20}, {Digest: own, Size: 1 << 10}},
			Content: []ocispec.Descriptor{{Digest: digest.FromBytes(config), Size: int64(len(config))}},
		})
		if err != nil {
			return err
		}
		ref, err := reference.ParseNormalizedNamed(fmt.Sprintf("registry.example.com/team/app%d:1.0", i))
		if err != nil {
			return err
		}
		if err := tx.Tag(ctx, img.ID, ref, refstore.AddOptions{}); err != nil {
			return err
		}
	}
	return nil
}
