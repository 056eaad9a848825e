package diskstore_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestOpenMakesAStore(t *testing.T) {
	for name, prepare := range map[string]func(dir string){
		"missing":    func(string) {},
		"empty":      func(dir string) { must(t, os.MkdirAll(dir, 0o700)) },
		"lost+found": func(dir string) { must(t, os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700)) },
		"begun":      func(dir string) { write(t, filepath.Join(dir, "meta.db"), "") },
		"unfinished": func(dir string) { write(t, filepath.Join(dir, "meta.db.new-123"), "half") },
		"note alone": func(dir string) { write(t, filepath.Join(dir, "meta.db.lock"), "{}") },
		"without content": func(dir string) {
			write(t, filepath.Join(dir, "meta.db"), "")
			must(t, os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "some", "store")
			prepare(dir)
			s := open(t, dir)
			if s.Dir() != dir {
				t.Errorf("got directory %s, want %s", s.Dir(), dir)
			}
			id, err := load(t.Context(), s, "app", "layer")
			must(t, err)
			must(t, s.Close())
			must(t, open(t, dir).View(t.Context(), func(stores jettison.Stores) error {
				_, err := stores.Images.Get(t.Context(), id)
				return err
			}))
		})
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(dir string)
		text    string
	}{
		"file":         {func(dir string) { write(t, dir, "") }, "is not a store: it is a file"},
		"other files":  {func(dir string) { write(t, filepath.Join(dir, "thesis.txt"), "") }, "is not a store: it has no meta.db, but thesis.txt"},
		"blobs alone":  {func(dir string) { write(t, filepath.Join(dir, "blobs", "x"), "") }, "it has no meta.db, but blobs"},
		"below a file": {func(dir string) { write(t, filepath.Dir(dir), "") }, "not a directory"},
		"file as blobs": {func(dir string) {
			write(t, filepath.Join(dir, "meta.db"), "")
			write(t, filepath.Join(dir, "blobs"), "")
		}, "blobs is not a directory"},
		"dir as meta": {func(dir string) { must(t, os.MkdirAll(filepath.Join(dir, "meta.db"), 0o700)) }, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "parent", "store")
			test.prepare(dir)
			_, err := diskstore.Open(t.Context(), dir, nil)
			wants(t, err, jettison.ErrInvalidArgument, test.text)
			wants(t, err, jettison.ErrInvalidArgument, dir)
		})
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x"), "")
	_, err := diskstore.Open(t.Context(), dir, nil)
	var notStore *diskstore.NotStoreError
	if !errors.As(err, &notStore) || notStore.Dir != dir {
		t.Errorf("got %#v, want a NotStoreError of %s", err, dir)
	}
}

func TestOpenNamesNewerFormat(t *testing.T) {
	dir := t.TempDir()
	db, err := boltkv.Open(t.Context(), filepath.Join(dir, "meta.db"), nil)
	must(t, err)
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte("meta/format"), []byte("9"))
	}))
	must(t, db.Close())
	_, err = diskstore.Open(t.Context(), dir, nil)
	wants(t, err, jettison.ErrInvalidArgument, "store "+dir+": the store has format 9")
	var format *kvstore.FormatError
	if !errors.As(err, &format) || format.Found != 9 || format.Supported != kvstore.Format {
		t.Errorf("got %#v, want a FormatError of 9 and %d", err, kvstore.Format)
	}
}

func TestOpenNamesDamage(t *testing.T) { // E3
	dir := t.TempDir()
	write(t, filepath.Join(dir, "meta.db"), "this is no database, and never was one")
	_, err := diskstore.Open(t.Context(), dir, nil)
	wants(t, err, jettison.ErrInternal, filepath.Join(dir, "meta.db"))
	var damaged *boltkv.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("got %#v, want a DamagedError", err)
	}
}

// Records that are gone are no new store, however they went, and nothing is
// changed.
func TestOpenNamesLostRecords(t *testing.T) { // E3
	blank := filepath.Join(t.TempDir(), "blank")
	db, err := boltkv.Open(t.Context(), blank, nil)
	must(t, err)
	must(t, db.Close())
	noRecords, err := os.ReadFile(blank)
	must(t, err)
	for name, content := range map[string]string{"empty": "", "blank": string(noRecords)} {
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, read-only %t", name, readOnly), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir)
				_, err := load(t.Context(), s, "app", "layer")
				must(t, err)
				must(t, s.Close())
				meta := filepath.Join(dir, "meta.db")
				write(t, meta, content)
				before := onDisk(t, dir)
				for range 2 {
					_, err = diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: readOnly})
					wants(t, err, jettison.ErrInternal, meta+" is damaged")
					wants(t, err, jettison.ErrInternal, "restore it from a copy")
				}
				if diff := cmp.Diff(onDisk(t, dir), before); diff != "" {
					t.Errorf("files (-got +want):\n%s", diff)
				}
				if info, err := os.Stat(meta); err != nil || info.Size() != int64(len(content)) {
					t.Errorf("got %v (error %v), want a file as it was", info, err)
				}
			})
		}
	}
}

// A store that cannot be made leaves nothing, so that the next Open begins anew.
func TestFailedOpenLeavesNothing(t *testing.T) {
	for _, missing := range []string{"mkdir", "syncdir"} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "some", "store")
		for n := range 5 {
			count := 0
			_, err := openStepping(t.Context(), dir, nil, func(step, path string) error {
				if step == missing {
					count++
				}
				if step == missing && count > n {
					return &fs.PathError{Op: step, Path: path, Err: syscall.ENOSPC}
				}
				return nil
			})
			wants(t, err, jettison.ErrUnavailable, "no space left")
			if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
				t.Errorf("%s %d: got %v (error %v), want nothing left", missing, n, left, err)
			}
		}
		must(t, open(t, dir).Close())
	}
}

func TestOpenTwiceIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := diskstore.Open(t.Context(), dir, &diskstore.Options{LockTimeout: -1})
	wants(t, err, jettison.ErrUnavailable, filepath.Join(dir, "meta.db")+" is in use by ")
	var locked *boltkv.LockedError
	if !errors.As(err, &locked) {
		t.Errorf("got %#v, want a LockedError", err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	readOnly := &diskstore.Options{ReadOnly: true}
	for _, none := range []string{dir, filepath.Join(dir, "none")} {
		_, err := diskstore.Open(t.Context(), none, readOnly)
		wants(t, err, jettison.ErrNotFound, "no store "+none)
	}
	s := open(t, dir)
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	must(t, s.Close())
	leftover := filepath.Join(dir, "ingest", "blob-1")
	write(t, leftover, "of a crash")
	for range 2 { // both at once
		s, err := diskstore.Open(t.Context(), dir, readOnly)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		intact(t, s)
		wants(t, remove(t.Context(), s, "app"), jettison.ErrInvalidArgument, "reading only")
		_, err = s.Ingest(t.Context())
		wants(t, err, jettison.ErrInvalidArgument, dir+" is open for reading only")
	}
	if _, err := os.Stat(leftover); err != nil {
		t.Error("a store open for reading only was changed:", err)
	}
}

// A process that was killed leaves temporary files of every sort.
func TestOpenEmptiesIngest(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Close())
	ingest := filepath.Join(dir, "ingest")
	write(t, filepath.Join(ingest, "blob-1"), "of a crash")
	write(t, filepath.Join(ingest, "archive-1"), "of an older version")
	write(t, filepath.Join(ingest, "directory", "notes"), "of someone")
	if diff := cmp.Diff(onDisk(t, open(t, dir).Dir()), map[string]int64{"ingest/directory/notes": 10}); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
}

func TestMissingRightsAreNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root has all rights")
	}
	dir := t.TempDir()
	must(t, open(t, filepath.Join(dir, "store")).Close())
	for name, test := range map[string]struct {
		path string // whose mode is changed
		mode os.FileMode
		open string
	}{
		"making a store":    {dir, 0o500, filepath.Join(dir, "new")},
		"reading its files": {filepath.Join(dir, "store", "meta.db"), 0, filepath.Join(dir, "store")},
		"looking at it":     {filepath.Join(dir, "store"), 0, filepath.Join(dir, "store")},
		"clearing up":       {filepath.Join(dir, "store", "ingest"), 0, filepath.Join(dir, "store")},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.Chmod(test.path, test.mode))
			defer os.Chmod(test.path, 0o700) //nolint:errcheck // the test ends
			_, err := diskstore.Open(t.Context(), test.open, nil)
			wants(t, err, jettison.ErrUnavailable, test.open)
			wants(t, err, jettison.ErrUnavailable, "permission denied; look who owns it")
		})
	}
}
