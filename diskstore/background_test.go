package diskstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
)

// A disk is one on which the removal of content can be held up or fail.
type disk struct {
	broken atomic.Bool
	tried  atomic.Int32
	// gate, when it is there, lets one removal through for each value.
	gate chan struct{}
}

func (d *disk) before(step, path string) error {
	if step != "remove" || !strings.Contains(path, "blobs") {
		return nil
	}
	d.tried.Add(1)
	if d.gate != nil {
		<-d.gate
	}
	if d.broken.Load() {
		return &fs.PathError{Op: step, Path: path, Err: syscall.EIO}
	}
	return nil
}

// openBackground opens a store that removes content in the background, from
// this disk.
func openBackground(t testing.TB, dir string, d *disk, log *bytes.Buffer) *diskstore.Store {
	t.Helper()
	opts := &diskstore.Options{BackgroundRemoval: true}
	if log != nil {
		opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	s, err := openStepping(t.Context(), dir, opts, d.before)
	must(t, err)
	return s
}

// loads loads these images, each with a layer of its own of ten bytes.
func loads(t testing.TB, s *diskstore.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := load(t.Context(), s, name, fmt.Sprintf("%10s", name))
		must(t, err)
	}
}

// pending fails the test unless so many files are left to be removed.
func pending(t testing.TB, s *diskstore.Store, files int) diskstore.Pending {
	t.Helper()
	left, err := s.Pending(t.Context())
	must(t, err)
	if left.Files != files {
		t.Errorf("got %d files that are left, want %d", left.Files, files)
	}
	return left
}

// Whoever deletes waits for the records alone. What is left is told, also to
// who opens a copy of the store at this moment, as after a crash.
func TestDeletionDoesNotWaitForTheFiles(t *testing.T) { // D12
	dir, crash := t.TempDir(), filepath.Join(t.TempDir(), "crash")
	slow := &disk{gate: make(chan struct{})}
	s := openBackground(t, dir, slow, nil)
	loads(t, s, "app", "other")
	size := sum(onDisk(t, dir))
	must(t, remove(t.Context(), s, "app"))
	left := pending(t, s, 2)
	copyDir(t, dir, crash)
	close(slow.gate)
	must(t, s.Flush(t.Context()))
	pending(t, s, 0)
	sound(t, s)
	if got := size - sum(onDisk(t, dir)); got != left.Bytes || got == 0 {
		t.Errorf("got %d bytes that went, want the %d that were left", got, left.Bytes)
	}
	must(t, s.Close())

	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			copyDir(t, crash, dir)
			s, err := diskstore.Open(t.Context(), dir, &diskstore.Options{BackgroundRemoval: background})
			must(t, err)
			if background {
				must(t, s.Flush(t.Context()))
			}
			sound(t, s)
			if got := marks(t, s); got != nil {
				t.Errorf("got marks %v, want none", got)
			}
			must(t, s.Close())
		})
	}
}

// Open does not wait for what a crash has left, and Close finishes it.
func TestOpenDoesNotWaitForTheFiles(t *testing.T) {
	dir := t.TempDir()
	broken := &disk{}
	broken.broken.Store(true)
	s := openBackground(t, dir, broken, nil)
	loads(t, s, "app", "stays")
	must(t, remove(t.Context(), s, "app"))
	var left *diskstore.PendingError
	if err := s.Close(); !errors.As(err, &left) || left.Files != 2 || left.Dir != s.Dir() {
		t.Fatalf("got %v, want 2 files that are left", err)
	}
	slow := &disk{gate: make(chan struct{})}
	s = openBackground(t, dir, slow, nil)
	pending(t, s, 2)
	close(slow.gate)
	must(t, s.Close())
	s = open(t, dir)
	if got := len(onDisk(t, dir)); got != 2 {
		t.Errorf("got %d files, want those of one image", got)
	}
	sound(t, s)
}

// A load of content whose file is just being removed has it in the end; a load
// of other content does not wait for that.
func TestLoadDuringRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &disk{gate: make(chan struct{})}
		s := openBackground(t, t.TempDir(), slow, nil)
		loads(t, s, "app")
		must(t, remove(t.Context(), s, "app"))
		synctest.Wait() // the background is at the first file
		loaded := make(chan error, 1)
		go func() {
			_, err := load(context.WithoutCancel(t.Context()), s, "app", fmt.Sprintf("%10s", "app"))
			loaded <- err
		}()
		loads(t, s, "other")
		synctest.Wait()
		select {
		case err := <-loaded:
			t.Errorf("the load did not wait for the removal, error %v", err)
		default:
		}
		close(slow.gate)
		must(t, <-loaded)
		must(t, s.Flush(t.Context()))
		sound(t, s)
		if got := len(tags(t, s)); got != 2 {
			t.Errorf("got %d images, want 2", got)
		}
		must(t, s.Close())
	})
}

// A disk that is broken is tried ever more rarely, and what it has kept goes
// when it works again, without anyone asking.
func TestBackgroundTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{}
		d.broken.Store(true)
		s := openBackground(t, t.TempDir(), d, &log)
		loads(t, s, "app", "other")
		must(t, remove(t.Context(), s, "app"))
		synctest.Wait()
		for i, wait := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60} {
			wait *= time.Second
			time.Sleep(wait - min(wait, time.Millisecond))
			synctest.Wait()
			if got := int(d.tried.Load()); i > 0 && got != 2*i {
				t.Errorf("got %d attempts ahead of number %d, want %d", got, i+1, 2*i)
			}
			time.Sleep(min(wait, time.Millisecond))
			synctest.Wait()
			if got, want := int(d.tried.Load()), 2*(i+1); got != want {
				t.Errorf("got %d attempts after %d times, want %d", got, i+1, want)
			}
		}
		left := pending(t, s, 2)
		if !errors.Is(left.Err, syscall.EIO) {
			t.Errorf("got reason %v, want that of the disk", left.Err)
		}
		must(t, remove(t.Context(), s, "other")) // does not hurry
		synctest.Wait()
		if got := int(d.tried.Load()); got != 18 {
			t.Errorf("got %d attempts, want 18", got)
		}
		d.broken.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if left := pending(t, s, 0); left.Err != nil {
			t.Errorf("got reason %v, want none", left.Err)
		}
		if got := strings.Count(log.String(), "input/output error"); got != 9 {
			t.Errorf("the log says why %d times, want once for each of 9 attempts:\n%s", got, &log)
		}
		must(t, s.Close())
	})
}

// Flush says what it could not do.
func TestFlushSaysWhatIsLeft(t *testing.T) {
	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			s, err := openStepping(t.Context(), t.TempDir(), &diskstore.Options{BackgroundRemoval: background}, d.before)
			must(t, err)
			loads(t, s, "app", "other")
			must(t, s.Flush(t.Context()))
			d.broken.Store(true)
			must(t, remove(t.Context(), s, "app"))
			err = s.Flush(t.Context())
			var left *diskstore.PendingError
			if !errors.As(err, &left) || left.Files != 2 || left.Bytes <= 10 {
				t.Fatalf("got %v, want 2 files with their size", err)
			}
			wants(t, err, jettison.ErrUnavailable, "input/output error")
			wants(t, err, jettison.ErrUnavailable, s.Dir()+": 2 files of")
			d.broken.Store(false)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			err = s.Flush(ended)
			wants(t, err, jettison.ErrUnavailable, "context canceled")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want it to wrap the context's error", err)
			}
			must(t, s.Flush(t.Context()))
			if left := pending(t, s, 0); left.Err != nil {
				t.Errorf("got reason %v, want none", left.Err)
			}
			if got := marks(t, s); got != nil {
				t.Errorf("got marks %v, want none", got)
			}
			sound(t, s)
			must(t, s.Close())
			wants(t, s.Flush(t.Context()), jettison.ErrUnavailable, s.Dir()+" is closed")
		})
	}
	dir := t.TempDir()
	must(t, open(t, dir).Close())
	s, err := diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true, BackgroundRemoval: true})
	must(t, err)
	wants(t, s.Flush(t.Context()), jettison.ErrInvalidArgument, dir+" is open for reading only")
	must(t, s.Close())
}

// Shutdown waits as long as it is told, and the next Open goes on from there.
func TestShutdownStopsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		slow := &disk{gate: make(chan struct{})}
		s := openBackground(t, dir, slow, nil)
		loads(t, s, "a", "b", "stays")
		for _, name := range []string{"a", "b"} {
			must(t, remove(t.Context(), s, name))
		}
		synctest.Wait() // the background is at the first file
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		closed := make(chan error, 1)
		go func() { closed <- s.Shutdown(ctx) }()
		synctest.Wait()
		close(slow.gate) // for the file that is under way
		err := <-closed
		var left *diskstore.PendingError
		if !errors.As(err, &left) || left.Files != 3 || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want 3 of 4 files that are left, for the context has ended", err)
		}
		if got := s.Close(); got != err { //nolint:errorlint // it is the same
			t.Errorf("got %v from a second call, want what the first returned", got)
		}
		if got := len(onDisk(t, dir)); got != 5 {
			t.Errorf("got %d files, want 5", got)
		}
		s = openBackground(t, dir, &disk{}, nil)
		must(t, s.Flush(t.Context()))
		sound(t, s)
		must(t, s.Close())
	})
}

// Close waits for an Update under way and for what that leaves to be removed,
// and lets no new one begin.
func TestCloseWaitsForUpdates(t *testing.T) {
	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		synctestRun(t, name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := diskstore.Open(t.Context(), dir, &diskstore.Options{BackgroundRemoval: background})
			must(t, err)
			loads(t, s, "app", "other")
			held, err := s.Ingest(t.Context())
			must(t, err)
			_, err = held.Has(t.Context(), describe(fmt.Sprintf("%10s", "other")))
			must(t, err)
			deleting, begun, proceed := make(chan error, 1), make(chan struct{}), make(chan struct{})
			go func() {
				deleting <- s.Update(t.Context(), func(stores jettison.Stores) error {
					close(begun)
					<-proceed
					ref := parse(t, "app")
					id, err := stores.References.Get(t.Context(), ref)
					if err != nil {
						return err
					}
					if _, err := stores.Images.Delete(t.Context(), id); err != nil {
						return err
					}
					return stores.References.Delete(t.Context(), ref, id)
				})
			}()
			<-begun
			closed := make(chan error, 1)
			go func() { closed <- s.Close() }()
			synctest.Wait()
			wants(t, s.Edit(t.Context(), nothing), jettison.ErrUnavailable, dir+" is closed")
			wants(t, held.Commit(t.Context(), nothing), jettison.ErrUnavailable, dir+" is closed")
			close(proceed)
			must(t, <-deleting)
			must(t, <-closed)
			if got := len(onDisk(t, dir)); got != 2 {
				t.Errorf("got %d files, want those of one image", got)
			}
			s, err = diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
			must(t, err)
			if got := marks(t, s); got != nil {
				t.Errorf("got marks %v, want none", got)
			}
			must(t, s.Close())
		})
	}
}

func synctestRun(t *testing.T, name string, fn func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, fn) })
}

// A prune of a store that removes in the background says what it frees, and
// Flush has freed it.
func TestPruneInTheBackground(t *testing.T) { // P7
	s := openBackground(t, t.TempDir(), &disk{}, nil)
	for i := range 40 {
		_, err := load(t.Context(), s, fmt.Sprintf("app:%d", i), "base", fmt.Sprintf("group %d", i%5), fmt.Sprintf("own %d", i))
		must(t, err)
	}
	loads(t, s, "stays")
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		id, err := tx.References.Get(t.Context(), parse(t, "stays"))
		if err != nil {
			return err
		}
		_, err = tx.Containers.Add(t.Context(), jettison.Container{ID: "user", Image: id})
		return err
	}))
	before := sum(onDisk(t, s.Dir()))
	report, err := jettison.New(s, nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true, BatchSize: 3})
	must(t, err)
	must(t, s.Flush(t.Context()))
	if got := before - sum(onDisk(t, s.Dir())); got != report.SpaceReclaimed || got == 0 {
		t.Errorf("got %d bytes less on disk, want %d", got, report.SpaceReclaimed)
	}
	if diff := cmp.Diff(tags(t, s), []string{"docker.io/library/stays:latest"}); diff != "" {
		t.Errorf("tags (-got +want):\n%s", diff)
	}
	sound(t, s)
	must(t, s.Close())
}
