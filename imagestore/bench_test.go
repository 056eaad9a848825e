package imagestore_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// A countingTx counts what is asked of a transaction.
type countingTx struct {
	kv.Tx
	gets, scans, writes int
}

func (tx *countingTx) Get(ctx context.Context, key []byte) ([]byte, error) {
	tx.gets++
	return tx.Tx.Get(ctx, key)
}

func (tx *countingTx) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	tx.scans++
	return tx.Tx.Scan(ctx, prefix)
}

func (tx *countingTx) Put(ctx context.Context, key, value []byte) error {
	tx.writes++
	return tx.Tx.Put(ctx, key, value)
}

func (tx *countingTx) Delete(ctx context.Context, key []byte) error {
	tx.writes++
	return tx.Tx.Delete(ctx, key)
}

// A deletion reads each record that it changes once, scans for children once,
// and does not touch the layers below the first one that is shared.
func TestDeleteCost(t *testing.T) {
	f := newFixture(t)
	f.create(spec("other", "1", "2", "3", "4"))
	id := f.create(spec("a", "1", "2", "3", "4", "own")).ID
	err := f.db.Update(t.Context(), func(tx kv.Tx) error {
		counting := &countingTx{Tx: tx}
		_, err := imagestore.NewMarking(counting).Delete(t.Context(), id)
		counting.Tx = nil
		checkDiff(t, *counting, countingTx{
			gets:   1 + 1 + 2 + 1, // image, its content, two layers, content of the one that goes
			scans:  1,
			writes: 1 + 2 + 1 + 2 + 1, // image, content and garbage, layer, content and garbage, layer below
		}, cmp.AllowUnexported(countingTx{}))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fill makes n images on three shared layers, each with a layer of its own.
func fill(f fixture, n int) (ids []digest.Digest) {
	f.Helper()
	f.edit(func(s *imagestore.Store) error {
		for i := range n {
			name := fmt.Sprint(i)
			img, err := s.Create(f.Context(), spec(name, "1", "2", "3", "own of "+name))
			if err != nil {
				return err
			}
			ids = append(ids, img.ID)
		}
		return nil
	})
	return ids
}

// BenchmarkDelete deletes 1,000 images in one transaction, next to removing as
// many keys from the bare engine.
func BenchmarkDelete(b *testing.B) {
	const n = 1000
	b.Run("images", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			f := newFixture(b)
			ids := fill(f, n)
			b.StartTimer()
			f.edit(func(s *imagestore.Store) error {
				for _, id := range ids {
					if _, err := s.Delete(b.Context(), id); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	b.Run("bare keys", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			f := fixture{b, memkv.New()}
			fill(f, n)
			keys := f.keys()
			b.StartTimer()
			err := f.db.Update(b.Context(), func(tx kv.Tx) error {
				for _, key := range keys {
					if err := tx.Delete(b.Context(), []byte(key)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAll reads 1,000 images with their content.
func BenchmarkAll(b *testing.B) {
	f := newFixture(b)
	fill(f, 1000)
	b.ReportAllocs()
	for b.Loop() {
		f.view(func(s *imagestore.Store) error {
			for _, err := range s.All(b.Context()) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func BenchmarkCodec(b *testing.B) {
	f := newFixture(b)
	img := f.create(spec("a", "1", "2"))
	img.Labels = map[string]string{"org.opencontainers.image.title": "a", "maintainer": "someone"}
	key := []byte("image/" + img.ID)
	value := imagestore.EncodeImage(key, img)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			imagestore.EncodeImage(key, img)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := imagestore.DecodeImage(key, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}
