package boltkv_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// names returns the files in a directory, but for the note that says who has "db"
// open.
func names(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !boltkv.IsNote(entry.Name(), "db") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// What a crash leaves of a creation is no file yet, and does not stay.
func TestOpenAfterACrashDuringCreation(t *testing.T) {
	half := wholeFile(t)[:pageSize+100]
	for name, before := range map[string][]string{
		"first":  {"db.new-1234567"},
		"second": {"db.new-1234567", "db"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "db")
			if slices.Contains(before, "db") {
				closeDB(t, open(t, path, nil))
			}
			for _, other := range []string{"db.new-1234567", "db.new-", "db.new-backup", "other.new-1"} {
				if err := os.WriteFile(filepath.Join(dir, other), half, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put(t, open(t, path, nil), "a", "1")
			want := []string{"db", "db.new-", "db.new-backup", "other.new-1"}
			if diff := cmp.Diff(names(t, dir), want); diff != "" {
				t.Errorf("files (-got +want):\n%s", diff)
			}
		})
	}
}

// Several that open a file which is not there, or is empty, all get the same.
func TestSeveralCreateAtOnce(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"missing": func(string) error { return nil },
		"empty":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				path := filepath.Join(t.TempDir(), "db")
				if err := prepare(path); err != nil {
					t.Fatal(err)
				}
				putByEight(t, path)
				db := open(t, path, nil)
				for i := range 8 {
					if _, err := get(t, db, fmt.Sprint(i)); err != nil {
						t.Fatalf("what opener %d has put: %v", i, err)
					}
				}
				if diff := cmp.Diff(names(t, filepath.Dir(path)), []string{"db"}); diff != "" {
					t.Errorf("files (-got +want):\n%s", diff)
				}
			}
		})
	}
}

// putByEight lets eight goroutines open the file and put a key each.
func putByEight(t *testing.T, path string) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			db, err := boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			put(t, db, fmt.Sprint(i), "1")
			closeDB(t, db)
		})
	}
	wg.Wait()
}

// Whoever has a file open and removes it takes it from those who wait for it:
// they get another, never one without a name.
func TestOpenOfAFileThatIsRemovedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				db, err := boltkv.Open(t.Context(), path, &boltkv.Options{LockTimeout: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
					t.Error("a file was opened that has no name:", err)
				}
				closeDB(t, db)
			}
		})
	}
	wg.Wait()
}

func TestOpenOfALink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "link"), filepath.Join(dir, "db")
	if err := os.Symlink("db", path); err != nil {
		t.Fatal(err)
	}
	if _, err := boltkv.Open(t.Context(), path, nil); !errors.Is(err, class.NotFound) {
		t.Errorf("a link that leads nowhere: error %v; want one of class NotFound", err)
	}
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, path, nil), "a", "1")
	if _, err := os.Readlink(path); err != nil {
		t.Errorf("the link is gone: %v", err)
	}
}

// A process that dies before it has made the name of a file durable leaves one
// that the next process takes as it is. What that one writes is durable.
func TestNameOfAFileIsDurable(t *testing.T) {
	for _, dies := range []faultfs.Op{faultfs.Create, faultfs.Link, faultfs.SyncDir} {
		path := filepath.Join(t.TempDir(), "db")
		disk := faultfs.NewDisk(t.TempDir())
		files := faultfs.New(disk, func(s faultfs.Step) faultfs.Fault {
			if s.Op == dies {
				return faultfs.Fault{Kind: faultfs.Stop}
			}
			return faultfs.Fault{}
		})
		_, err := boltkv.Open(t.Context(), path, &boltkv.Options{FS: files})
		if !errors.Is(err, class.Unavailable) || !errors.Is(err, faultfs.ErrStopped) {
			t.Fatalf("%s: error %v; want ErrStopped of class Unavailable", dies, err)
		}
		db := open(t, path, &boltkv.Options{FS: disk})
		put(t, db, "a", "1")
		closeDB(t, db)
		if _, err := disk.Fail(func(string) bool { return false }); err != nil {
			t.Fatal(err)
		}
		got, err := get(t, open(t, path, &boltkv.Options{ReadOnly: true}), "a")
		if err != nil || got != "1" {
			t.Errorf("%s: got %q, %v after the power failed; want 1", dies, got, err)
		}
	}
}

// A file whose name cannot be made durable is none.
func TestNameThatCannotBeMadeDurable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	files := faultfs.New(vfs.OS{}, func(s faultfs.Step) faultfs.Fault {
		if s.Op == faultfs.SyncDir {
			return faultfs.Fault{Kind: faultfs.Fail}
		}
		return faultfs.Fault{}
	})
	_, err := boltkv.Open(t.Context(), path, &boltkv.Options{FS: files})
	var pathError *fs.PathError
	if !errors.Is(err, class.Unavailable) || !errors.As(err, &pathError) || pathError.Path != path {
		t.Errorf("error %v; want one of class Unavailable that names %s", err, path)
	}
	if got := names(t, dir); got != nil {
		t.Errorf("got files %q, want none", got)
	}
}
