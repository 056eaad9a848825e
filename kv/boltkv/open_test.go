package boltkv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

func TestOpenCreatesForTheOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	path := filepath.Join(t.TempDir(), "db")
	open(t, path, nil)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.FileMode(0o600); got != want {
		t.Errorf("got mode %v, want %v", got, want)
	}
}

func TestReopen(t *testing.T) {
	for name, opts := range map[string]*boltkv.Options{"default": nil, "no sync": {NoSync: true}, "read only": {ReadOnly: true}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			db := open(t, path, &boltkv.Options{NoSync: opts != nil && opts.NoSync})
			put(t, db, "a", "1")
			closeDB(t, db)
			got, err := get(t, open(t, path, opts), "a")
			if err != nil || got != "1" {
				t.Errorf("got %q, %v; want %q", got, err, "1")
			}
		})
	}
}

// A file in which nothing was ever put has no bucket yet.
func TestReadOnlyOfAFileWithoutEntries(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "db")
	closeDB(t, open(t, path, nil))
	db := open(t, path, &boltkv.Options{ReadOnly: true})
	if _, err := get(t, db, "a"); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("get: error %v; want kv.ErrNotFound", err)
	}
	err := db.View(ctx, func(r kv.Reader) error {
		for e, err := range r.Scan(ctx, nil) {
			t.Errorf("scan yields %q, %v; want nothing", e.Key, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, nil)
	put(t, db, "a", "1")
	closeDB(t, db)
	reader := open(t, path, &boltkv.Options{ReadOnly: true})
	err := reader.Update(t.Context(), func(kv.Tx) error {
		t.Error("the function of an update runs")
		return nil
	})
	if !errors.Is(err, boltkv.ErrReadOnly) || !errors.Is(err, class.InvalidArgument) {
		t.Errorf("update: error %v; want ErrReadOnly of class InvalidArgument", err)
	}
}

func wantLocked(t *testing.T, err error, path string) {
	t.Helper()
	var locked *boltkv.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("error %v; want a LockedError", err)
	}
	self := fmt.Sprintf("%s is in use by this very process since 2", path)
	if runtime.GOOS != "windows" && (locked.Holder == nil || locked.Holder.PID != os.Getpid() || !strings.HasPrefix(err.Error(), self)) {
		t.Errorf("the error names %v and reads %q; want this process", locked.Holder, err)
	}
	if locked.Path != path || !strings.Contains(err.Error(), path) {
		t.Errorf("the error names %q and reads %q; want %q in both", locked.Path, err, path)
	}
	if !errors.Is(err, class.Unavailable) || !errors.Is(class.Of(err), class.Unavailable) {
		t.Errorf("error %v has class %v; want Unavailable", err, class.Of(err))
	}
}

func TestOpenWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, nil)
	put(t, db, "a", "1")

	start := time.Now()
	_, err := boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: 60 * time.Millisecond})
	wantLocked(t, err, path)
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("open gives up after %v; want 60ms", took)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = boltkv.Open(ctx, path, &boltkv.Options{LockTimeout: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, class.Unavailable) {
		t.Errorf("error %v; want context.DeadlineExceeded of class Unavailable", err)
	}

	time.AfterFunc(30*time.Millisecond, func() { closeDB(t, db) })
	if got, err := get(t, open(t, path, &boltkv.Options{LockTimeout: time.Minute}), "a"); err != nil || got != "1" {
		t.Errorf("after the wait: got %q, %v; want %q", got, err, "1")
	}
}

func TestOpenWithAnEndedContextCreatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "db")
	if _, err := boltkv.Open(ctx, path, nil); !errors.Is(err, context.Canceled) || !errors.Is(err, class.Unavailable) {
		t.Errorf("error %v; want context.Canceled of class Unavailable", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v; want that nothing is there", err)
	}
}

func TestOpenRefusals(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		opts       *boltkv.Options
		class      error
		asUser     bool
	}{
		{name: "missing directory", path: filepath.Join(dir, "missing", "db"), class: class.NotFound},
		{name: "missing file, read only", path: filepath.Join(dir, "missing"), opts: &boltkv.Options{ReadOnly: true}, class: class.NotFound},
		{name: "directory", path: dir, class: class.InvalidArgument},
		{name: "below a file", path: filepath.Join(file, "db"), class: class.Unavailable},
		{name: "no permission", path: filepath.Join(closed, "db"), class: class.Unavailable, asUser: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.asUser && (os.Getuid() <= 0 || runtime.GOOS == "windows") {
				t.Skip("permissions do not bind this user")
			}
			_, err := boltkv.Open(t.Context(), tt.path, tt.opts)
			if !errors.Is(err, tt.class) {
				t.Errorf("error %v; want class %v", err, tt.class)
			}
			if err != nil && !strings.Contains(err.Error(), tt.path) {
				t.Errorf("error %q does not name %s", err, tt.path)
			}
		})
	}
}
