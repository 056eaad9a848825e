package kvtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jettison-oci/jettison/kv"
)

// benchEntries is the number of entries under a benchmark: a store of about
// three thousand images.
const benchEntries = 20_000

// Bench measures an engine that holds 20,000 entries of some 100 bytes: a Get,
// a Scan of 100 entries, and an Update of one entry, each in a transaction of
// its own. Open returns an empty DB; Bench closes it.
func Bench(b *testing.B, open func(t testing.TB) kv.DB) {
	db := open(b)
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	ctx := b.Context()
	if err := db.Update(ctx, func(tx kv.Tx) error { return benchFill(ctx, tx) }); err != nil {
		b.Fatal(err)
	}
	key, value := benchKey(benchEntries/2), make([]byte, 32)
	b.Run("Get", func(b *testing.B) {
		benchView(b, db, func(ctx context.Context, r kv.Reader) error {
			_, err := r.Get(ctx, key)
			return err
		})
	})
	b.Run("Scan", func(b *testing.B) {
		benchView(b, db, func(ctx context.Context, r kv.Reader) error {
			for _, err := range r.Scan(ctx, key[:len(key)-2]) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("Update", func(b *testing.B) {
		b.ReportAllocs()
		ctx := b.Context()
		for b.Loop() {
			if err := db.Update(ctx, func(tx kv.Tx) error { return tx.Put(ctx, key, value) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchKey(i int) []byte {
	return fmt.Appendf(nil, "bench/%064d", i)
}

func benchFill(ctx context.Context, tx kv.Tx) error {
	for i := range benchEntries {
		if err := tx.Put(ctx, benchKey(i), make([]byte, 32)); err != nil {
			return err
		}
	}
	return nil
}

func benchView(b *testing.B, db kv.DB, f func(context.Context, kv.Reader) error) {
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if err := db.View(ctx, func(r kv.Reader) error { return f(ctx, r) }); err != nil {
			b.Fatal(err)
		}
	}
}
