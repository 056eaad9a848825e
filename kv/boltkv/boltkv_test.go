package boltkv_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kv/kvtest"
)

func open(t testing.TB, path string, opts *boltkv.Options) *boltkv.DB {
	t.Helper()
	db, err := boltkv.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDB(t, db) })
	return db
}

func closeDB(t testing.TB, db *boltkv.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func put(t testing.TB, db kv.DB, key, value string) {
	t.Helper()
	ctx := t.Context()
	err := db.Update(ctx, func(tx kv.Tx) error { return tx.Put(ctx, []byte(key), []byte(value)) })
	if err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, db kv.DB, key string) (value string, err error) {
	t.Helper()
	ctx := t.Context()
	err = db.View(ctx, func(r kv.Reader) error {
		v, err := r.Get(ctx, []byte(key))
		value = string(v)
		return err
	})
	return value, err
}

func TestContract(t *testing.T) {
	kvtest.Run(t, func(t testing.TB) kv.DB {
		return open(t, filepath.Join(t.TempDir(), "db"), nil)
	})
}

func BenchmarkContract(b *testing.B) {
	kvtest.Bench(b, func(t testing.TB) kv.DB {
		return open(t, filepath.Join(t.TempDir(), "db"), nil)
	})
}

// The bytes of the file at the moment when Update returns are all that a
// crash would leave.
func TestUpdateIsInTheFileWhenItReturns(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "db"), nil)
	put(t, db, "a", "1")
	put(t, db, "a", "2")
	crashed := copyFile(t, filepath.Join(dir, "db"), filepath.Join(dir, "copy"))
	got, err := get(t, open(t, crashed, nil), "a")
	if err != nil || got != "2" {
		t.Errorf("after a crash: got %q, %v; want %q", got, err, "2")
	}
}

func copyFile(t testing.TB, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestUpdateThatWritesNothingLeavesTheFileAlone(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db")
	db := open(t, path, nil)
	put(t, db, "a", "1")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(ctx, func(tx kv.Tx) error {
		if _, err := tx.Get(ctx, []byte("a")); err != nil {
			return err
		}
		return tx.Delete(ctx, []byte("not there"))
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(after) != string(before) {
		t.Error("the file has changed")
	}
}

func TestUpdateStopsWaitingWithItsContext(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "db"), nil)
	err := db.Update(t.Context(), func(kv.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- db.Update(ctx, func(kv.Tx) error { return nil }) }()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, class.Unavailable) {
			t.Errorf("update that waits: error %v; want context.DeadlineExceeded of class Unavailable", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMisuseIsRefused(t *testing.T) {
	ctx, db := t.Context(), open(t, filepath.Join(t.TempDir(), "db"), nil)
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, class.InvalidArgument) {
			t.Errorf("%s: error %v; want one of class InvalidArgument", what, err)
		}
	}
	var kept kv.Tx
	err := db.Update(ctx, func(tx kv.Tx) error {
		kept = tx
		refused("put of a key that is too long", tx.Put(ctx, []byte(strings.Repeat("k", 32769)), nil))
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

// Several may close a DB at once. Each returns when all has ended, and none
// takes away the note of whoever opens the file next.
func TestCloseAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	for _, opts := range []*boltkv.Options{nil, {ReadOnly: true}} {
		db := open(t, path, opts)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { closeDB(t, db) })
		}
		wg.Wait()
	}
}
