package diskstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// More files than are looked at in one step go, but for the one that the disk
// keeps, which goes with a later Update.
func TestManyFilesGo(t *testing.T) { // D12
	var log bytes.Buffer
	dir := t.TempDir()
	kept := describe("content 7").Digest
	broken := true
	s, err := openStepping(t.Context(), dir, &diskstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		func(step, path string) error {
			if broken && step == "remove" && strings.HasSuffix(path, kept.Encoded()) {
				return &fs.PathError{Op: step, Path: path, Err: syscall.EIO}
			}
			return nil
		})
	must(t, err)
	var garbage []digest.Digest
	for i := range diskstore.RemovalChunk + 100 {
		content := fmt.Sprintf("content %d", i)
		garbage = append(garbage, describe(content).Digest)
		write(t, filepath.Join(dir, "blobs", "sha256", garbage[i].Encoded()), content)
	}
	loads(t, s, "app")
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		return tx.Images.MarkGarbage(t.Context(), garbage...)
	}))
	pending(t, s, 1)
	if !strings.Contains(log.String(), "files=1 ") || !strings.Contains(log.String(), kept.Encoded()) {
		t.Errorf("the log does not say what is kept:\n%s", &log)
	}
	if diff := cmp.Diff(marks(t, s), []digest.Digest{kept}); diff != "" {
		t.Errorf("marks (-got +want):\n%s", diff)
	}
	broken = false
	must(t, s.Edit(t.Context(), nothing))
	sound(t, s)
	must(t, s.Close())
}

// An Update does not try again what has failed a moment ago.
func TestUpdatesRarelyTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		d.broken.Store(true)
		s, err := openStepping(t.Context(), t.TempDir(), nil, d.before)
		must(t, err)
		loads(t, s, "app")
		must(t, remove(t.Context(), s, "app"))
		for i, test := range []struct {
			after time.Duration
			tried int
		}{{0, 4}, {0, 4}, {time.Second, 6}, {time.Second, 6}, {time.Second, 8}} {
			time.Sleep(test.after)
			must(t, s.Edit(t.Context(), nothing))
			if got := int(d.tried.Load()); got != test.tried {
				t.Errorf("got %d attempts after edit %d, want %d", got, i+1, test.tried)
			}
		}
		must(t, s.Close())
	})
}

// A commit that fails may be there until the machine stops. No file goes before
// a commit that is durable, so that none goes that a power failure would bring
// a record of.
func TestDoubtfulCommitIsMadeDurableFirst(t *testing.T) { // D14
	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			doubtful := false
			var steps []string
			files := faultfs.New(vfs.OS{}, func(s faultfs.Step) (fault faultfs.Fault) {
				mu.Lock()
				defer mu.Unlock()
				step := string(s.Op)
				if s.Op == faultfs.Commit && doubtful {
					step += " in doubt"
					fault = faultfs.Fault{Kind: faultfs.Late, Err: syscall.EIO}
				}
				steps = append(steps, step)
				return fault
			})
			setDoubtful := func(now bool) {
				mu.Lock()
				defer mu.Unlock()
				doubtful = now
			}
			s, err := diskstore.OpenFaulty(t.Context(), t.TempDir(), &diskstore.Options{BackgroundRemoval: background}, files)
			must(t, err)
			loads(t, s, "app", "other")
			must(t, s.Flush(t.Context()))
			steps = nil
			setDoubtful(true)
			wants(t, remove(t.Context(), s, "app"), jettison.ErrUnavailable, "input/output error")
			for range 2 {
				wants(t, s.Flush(t.Context()), jettison.ErrUnavailable, "2 files of")
			}
			if got := len(onDisk(t, s.Dir())); got != 4 {
				t.Errorf("got %d files, want all 4", got)
			}
			setDoubtful(false)
			must(t, s.Flush(t.Context()))
			sound(t, s)
			must(t, s.Close())
			steps = slices.Compact(steps)
			want := []string{"commit in doubt", "commit", "remove"}
			if diff := cmp.Diff(steps[:min(3, len(steps))], want); diff != "" {
				t.Errorf("steps (-got +want):\n%s", diff)
			}
		})
	}
}

// early is a database on which something happens after a commit can be seen,
// before who made it knows that it is durable.
type early struct {
	kv.DB
	seen func()
}

func (db *early) Update(ctx context.Context, fn func(kv.Tx) error) error {
	err := db.DB.Update(ctx, fn)
	if seen := db.seen; seen != nil {
		db.seen = nil
		seen()
	}
	return err
}

// Others see a commit before it is durable. They remove nothing on its word.
func TestCommitUnderWayIsInDoubt(t *testing.T) { // D14
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		loads(t, s, "app")
		db := &early{}
		must(t, s.Wrap(t.Context(), func(inner kv.DB) kv.DB { db.DB = inner; return db }))
		flushed := make(chan error, 1)
		db.seen = func() {
			go func() { flushed <- s.Flush(t.Context()) }()
			synctest.Wait()
			if got := len(onDisk(t, s.Dir())); got != 2 || len(flushed) > 0 {
				t.Errorf("got %d files while the commit is under way, want 2 and who waits for their end", got)
			}
		}
		must(t, remove(t.Context(), s, "app"))
		if db.seen != nil {
			t.Fatal("there was no commit")
		}
		must(t, <-flushed)
		sound(t, s)
	})
}

// What is pinned, has no file or names none is not left to be removed.
func TestPendingCountsFilesOnly(t *testing.T) {
	s := open(t, t.TempDir())
	in := ingest(t, s)
	_, err := in.Write(t.Context(), strings.NewReader("layer"), describe("layer"))
	must(t, err)
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		return tx.Images.MarkGarbage(t.Context(), describe("layer").Digest, "no digest")
	}))
	pending(t, s, 0) // it is pinned, and has no file yet
	write(t, filepath.Join(s.Dir(), "blobs", "sha256", describe("layer").Digest.Encoded()), "layer")
	pending(t, s, 0)
	must(t, in.Close())
	pending(t, s, 0)
	if _, err := os.Stat(filepath.Join(s.Dir(), "blobs", "sha256", describe("layer").Digest.Encoded())); err == nil {
		t.Error("the file is there after its pin has ended")
	}
}
