package boltkv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

var readOnly = &boltkv.Options{ReadOnly: true}

// putRound makes all of n entries say the same, in one Update.
func putRound(t testing.TB, db kv.DB, round, n int) {
	t.Helper()
	if err := tryRound(t.Context(), db, round, n); err != nil {
		t.Fatal(err)
	}
}

func tryRound(ctx context.Context, db kv.DB, round, n int) error {
	return db.Update(ctx, func(tx kv.Tx) error {
		for i := range n {
			key, value := entry(round, i)
			if err := tx.Put(ctx, key, value); err != nil {
				return err
			}
		}
		return nil
	})
}

func entry(round, i int) (key, value []byte) {
	return fmt.Appendf(nil, "round/%04d", i), fmt.Appendf(nil, "%0200d", round)
}

// roundOf returns what the entries say, which must all say the same.
func roundOf(t testing.TB, r kv.Reader, n int) (round int) {
	t.Helper()
	found, first := 0, ""
	for e, err := range r.Scan(t.Context(), []byte("round/")) {
		if err != nil {
			t.Fatal(err)
		}
		if found == 0 {
			first = string(e.Value)
		} else if string(e.Value) != first {
			t.Fatalf("entry %s says %.200s, others %.200s", e.Key, e.Value, first)
		}
		found++
	}
	if _, err := fmt.Sscanf(first, "%d", &round); err != nil || found != n {
		t.Fatalf("got %d entries that say %q, want %d", found, first, n)
	}
	return round
}

func viewRound(t testing.TB, db kv.DB, n int) (round int) {
	t.Helper()
	err := db.View(t.Context(), func(r kv.Reader) error {
		round = roundOf(t, r, n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return round
}

// A reader sees each commit at once. While it is in a View, it sees one state and
// holds nobody up, also when the file grows.
func TestReadersDoNotBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	writer := open(t, path, nil)
	putRound(t, writer, 1, 100)
	first, second := open(t, path, readOnly), open(t, path, readOnly)
	err := first.View(t.Context(), func(r kv.Reader) error {
		for round := 2; round < 20; round++ {
			putRound(t, writer, round, 100*round)
			if got := viewRound(t, second, 100*round); got != round {
				t.Errorf("another reader sees round %d, want %d", got, round)
			}
		}
		if got := viewRound(t, first, 1900); got != 19 {
			t.Errorf("another view of the reader sees round %d, want 19", got)
		}
		if got := roundOf(t, r, 100); got != 1 {
			t.Errorf("a view that is under way sees round %d, want 1", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whoever opens a file for writing waits for no reader.
func TestWritersDoNotWaitForReaders(t *testing.T) {
	path, _ := newFile(t)
	reader := open(t, path, readOnly)
	err := reader.View(t.Context(), func(kv.Reader) error {
		put(t, open(t, path, &boltkv.Options{LockTimeout: -1}), "c", "1")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got, err := get(t, reader, "c"); err != nil || got != "1" {
		t.Errorf("got %q, %v; want %q", got, err, "1")
	}
}

// Many views at once share a copy, and each sees a whole state that is not older
// than the one before.
func TestReadersBesideCommits(t *testing.T) {
	const entries, rounds = 300, 150
	path := filepath.Join(t.TempDir(), "db")
	writer := open(t, path, &boltkv.Options{NoSync: true})
	putRound(t, writer, 0, entries)
	reader := open(t, path, readOnly)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for last := 0; last < rounds; {
				got := viewRound(t, reader, entries)
				if got < last {
					t.Errorf("got round %d after %d", got, last)
				}
				last = got
			}
		})
	}
	for round := range rounds {
		putRound(t, writer, round+1, entries)
	}
	wg.Wait()
}

// allTheTime runs commit again and again while f runs.
func allTheTime(commit func(round int) error, f func()) error {
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for round := 1; ; round++ {
			select {
			case <-stop:
				failed <- nil
				return
			default:
				if err := commit(round); err != nil {
					failed <- err
					return
				}
			}
		}
	}()
	f()
	close(stop)
	return <-failed
}

// A file that takes longer to copy than a commit takes can be read all the same
// beside one commit after another. When no reader is left, the room that these
// commits take is used again.
func TestReadersBesideOneCommitAfterAnother(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // elsewhere nobody can be asked to keep what is copied
	}
	const entries = 100
	path := filepath.Join(t.TempDir(), "db")
	writer := open(t, path, &boltkv.Options{NoSync: true})
	putMuch(t, writer)
	putRound(t, writer, 0, entries)
	rounds := 0
	err := allTheTime(func(round int) error { rounds = round; return tryRound(t.Context(), writer, round, entries) }, func() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 4 {
					db, err := boltkv.Open(t.Context(), path, &boltkv.Options{ReadOnly: true, LockTimeout: time.Minute})
					if err != nil {
						t.Error(err)
						return
					}
					viewRound(t, db, entries)
					if err := db.View(t.Context(), func(r kv.Reader) error { return readAll(t, r) }); err != nil {
						t.Error(err)
					}
					closeDB(t, db)
				}
			})
		}
		wg.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	for grows := 0; ; grows++ {
		before := size(t, path)
		for round := range 100 {
			putRound(t, writer, round, entries)
		}
		if size(t, path) == before {
			break
		}
		if grows > 100 {
			t.Fatalf("the file still grows, to %d bytes", before)
		}
	}
	t.Logf("%d commits beside 8 copies, %d bytes", rounds, size(t, path))
}

// putMuch puts some 16 MB beside the rounds.
func putMuch(t testing.TB, db kv.DB) {
	t.Helper()
	ctx := t.Context()
	err := db.Update(ctx, func(tx kv.Tx) error {
		for i := range 4000 {
			if err := tx.Put(ctx, fmt.Appendf(nil, "much/%d", i), make([]byte, 4000)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func size(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A file that another program changes all the time is not read half old, half
// new: either a copy succeeds in between, or the error says so.
func TestAFileThatChangesTooFast(t *testing.T) {
	const entries = 100
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, nil)
	putMuch(t, db)
	putRound(t, db, 0, entries)
	closeDB(t, db)
	other, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true}) // which knows nothing of our readers
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close() //nolint:errcheck // the file goes with the test
	commit := func(round int) error {
		return other.Update(func(tx *bolt.Tx) (err error) {
			for i := range entries {
				key, value := entry(round, i)
				err = errors.Join(err, tx.Bucket([]byte("jettison")).Put(key, value))
			}
			return err
		})
	}
	err = allTheTime(commit, func() {
		for range 1000 {
			db, err := boltkv.Open(t.Context(), path, &boltkv.Options{ReadOnly: true, LockTimeout: -1})
			var busy *boltkv.BusyError
			if errors.As(err, &busy) {
				if busy.Path != path || !errors.Is(err, class.Unavailable) || !errors.Is(class.Of(err), class.Unavailable) {
					t.Errorf("got error %v of path %s, want one of class Unavailable that names %s", err, busy.Path, path)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			closeDB(t, db)
		}
		t.Error("no copy was disturbed by a commit")
	})
	if err != nil {
		t.Error(err)
	}
}

// A file that takes the name of another one is read from then on; one that is
// gone is not found.
func TestAFileThatIsReplacedUnderAReader(t *testing.T) {
	path, _ := newFile(t)
	other := filepath.Join(filepath.Dir(path), "other")
	db := open(t, other, nil)
	put(t, db, "a", "other")
	put(t, db, "b", "other") // as many commits as to the first
	reader := open(t, path, readOnly)
	if got, err := get(t, reader, "a"); err != nil || got != "1" {
		t.Errorf("got %q, %v; want %q", got, err, "1")
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, reader, "a"); err != nil || got != "other" {
		t.Errorf("after a rename: got %q, %v; want %q", got, err, "other")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, reader, "a"); !errors.Is(err, class.NotFound) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a removal: got error %v, want one of class NotFound", err)
	}
}

// What a reader copies leaves nothing behind.
func TestCopiesLeaveNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	path := filepath.Join(t.TempDir(), "db")
	writer := open(t, path, nil)
	reader := func() *boltkv.DB {
		putRound(t, writer, 0, 10)
		return open(t, path, readOnly)
	}()
	for round := range 10 {
		putRound(t, writer, round, 10)
		viewRound(t, reader, 10)
	}
	closeDB(t, reader)
	if diff := cmp.Diff(names(t, temp), []string(nil)); diff != "" {
		t.Errorf("temporary files (-got +want):\n%s", diff)
	}
	if left := openCopies(t); left != 0 {
		t.Errorf("%d copies are still open", left)
	}
	t.Setenv("TMPDIR", filepath.Join(temp, "none"))
	if _, err := boltkv.Open(t.Context(), path, readOnly); !errors.Is(err, class.Unavailable) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory for temporary files: got error %v, want one of class Unavailable", err)
	}
}

// openCopies counts the copies that this process has open, where it can.
func openCopies(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	for _, file := range files {
		to, _ := os.Readlink("/proc/self/fd/" + file.Name())
		if ok, _ := filepath.Match("*jettison-read-*", filepath.Base(to)); ok {
			n++
		}
	}
	return n
}
