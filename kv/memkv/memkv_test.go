package memkv_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/kvtest"
	"github.com/jettison-oci/jettison/kv/memkv"
)

func open(testing.TB) kv.DB { return memkv.New() }

func TestContract(t *testing.T)      { kvtest.Run(t, open) }
func BenchmarkContract(b *testing.B) { kvtest.Bench(b, open) }

// A View neither waits for an Update nor makes one wait: both would hang here.
func TestViewNeverWaits(t *testing.T) {
	ctx, db := t.Context(), memkv.New()
	put := func(value string) error {
		return db.Update(ctx, func(tx kv.Tx) error { return tx.Put(ctx, []byte("a"), []byte(value)) })
	}
	if err := put("1"); err != nil {
		t.Fatal(err)
	}
	err := db.View(ctx, func(r kv.Reader) error {
		if err := put("2"); err != nil {
			return err
		}
		if got, err := r.Get(ctx, []byte("a")); err != nil || string(got) != "1" {
			t.Errorf("older view reads %q, %v; want %q", got, err, "1")
		}
		return db.Update(ctx, func(kv.Tx) error {
			return db.View(ctx, func(r kv.Reader) error {
				got, err := r.Get(ctx, []byte("a"))
				if string(got) != "2" {
					t.Errorf("newer view reads %q; want %q", got, "2")
				}
				return err
			})
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUpdateStopsWaitingWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memkv.New()
		err := db.Update(t.Context(), func(kv.Tx) error {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- db.Update(ctx, func(kv.Tx) error {
					t.Error("the second update runs beside the first")
					return nil
				})
			}()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) || !errors.Is(err, class.Unavailable) {
				t.Errorf("update that waits: error %v; want context.Canceled of class Unavailable", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		// Whoever gave up does not hold up Close.
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMisuseIsRefused(t *testing.T) {
	ctx, db := t.Context(), memkv.New()
	var kept kv.Tx
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, class.InvalidArgument) {
			t.Errorf("%s: error %v; want one of class InvalidArgument", what, err)
		}
	}
	err := db.Update(ctx, func(tx kv.Tx) error {
		kept = tx
		if err := tx.Put(ctx, []byte("a"), nil); err != nil {
			return err
		}
		for range tx.Scan(ctx, nil) {
			refused("put during a scan", tx.Put(ctx, []byte("b"), nil))
			refused("delete during a scan", tx.Delete(ctx, []byte("a")))
		}
		return tx.Put(ctx, []byte("c"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = kept.Get(ctx, []byte("a"))
	refused("get after the end", err)
	refused("put after the end", kept.Put(ctx, []byte("a"), nil))
	for _, err := range kept.Scan(ctx, nil) {
		refused("scan after the end", err)
	}
	err = db.View(ctx, func(r kv.Reader) error {
		if _, ok := r.(kv.Tx); ok {
			t.Error("the reader of a view can write")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
