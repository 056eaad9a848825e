package diskstore_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
)

func TestDeletionFreesExactlyWhatItSays(t *testing.T) { // D12, P7
	s := open(t, t.TempDir())
	names := []string{"app:1", "app:2", "other"}
	for _, name := range names {
		_, err := load(t.Context(), s, name, "base", "middle of "+name[:3], "top of "+name)
		must(t, err)
	}
	sound(t, s)
	for _, name := range names {
		before := sum(onDisk(t, s.Dir()))
		var removed imagestore.Removed
		must(t, s.Update(t.Context(), func(stores jettison.Stores) error {
			ref := parse(t, name)
			id, err := stores.References.Get(t.Context(), ref)
			if err != nil {
				return err
			}
			if removed, err = stores.Images.Delete(t.Context(), id); err != nil {
				return err
			}
			return stores.References.Delete(t.Context(), ref, id)
		}))
		if got := before - sum(onDisk(t, s.Dir())); got != removed.Size() || got == 0 {
			t.Errorf("%s: got %d bytes less on disk, want %d", name, got, removed.Size())
		}
		sound(t, s)
	}
	if left := onDisk(t, s.Dir()); len(left) > 0 {
		t.Errorf("got files %v after all images are deleted, want none", left)
	}
}

func TestFailedUpdateRemovesNothing(t *testing.T) { // D14
	s := open(t, t.TempDir())
	id, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	failure := errors.New("no")
	err = s.Update(t.Context(), func(stores jettison.Stores) error {
		_, err := stores.Images.Delete(t.Context(), id)
		must(t, err)
		return failure
	})
	if err != failure { //nolint:errorlint // it comes back as it is
		t.Errorf("got error %v, want the function's own", err)
	}
	if got := len(onDisk(t, s.Dir())); got != 2 {
		t.Errorf("got %d files, want 2", got)
	}
	sound(t, s)
}

func TestMarksAreClearedInBulk(t *testing.T) {
	dir := t.TempDir()
	s, err := diskstore.Open(t.Context(), dir, nil)
	must(t, err)
	const images = diskstore.ClearLimit + 10
	for i := range images {
		_, err := load(t.Context(), s, fmt.Sprintf("app:%d", i))
		must(t, err)
	}
	for i := range images {
		must(t, remove(t.Context(), s, fmt.Sprintf("app:%d", i)))
		if got, want := len(marks(t, s)), i%diskstore.ClearLimit+1; got != want {
			t.Fatalf("got %d marks after deletion %d, want %d", got, i+1, want)
		}
	}
	must(t, s.Close())
	s, err = diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
	must(t, err)
	defer s.Close() //nolint:errcheck // read-only
	if got := marks(t, s); got != nil {
		t.Errorf("got marks %v after Close, want none", got)
	}
}

func TestFileThatCannotBeRemovedWaits(t *testing.T) { // D12
	var log bytes.Buffer
	broken := true
	s, err := openStepping(t.Context(), t.TempDir(), &diskstore.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, func(step, path string) error {
		if broken && step == "remove" && strings.Contains(path, "blobs") {
			return &fs.PathError{Op: step, Path: path, Err: syscall.EIO}
		}
		return nil
	})
	must(t, err)
	defer s.Close() //nolint:errcheck // nothing is asked of it
	for _, name := range []string{"app", "other"} {
		_, err = load(t.Context(), s, name, "layer of "+name)
		must(t, err)
	}
	must(t, remove(t.Context(), s, "app"))
	if got := len(onDisk(t, s.Dir())); got != 4 {
		t.Errorf("got %d files, want all 4", got)
	}
	if !strings.Contains(log.String(), "input/output error") {
		t.Errorf("got log %q, want it to say why", &log)
	}
	intact(t, s)
	broken = false
	must(t, remove(t.Context(), s, "other"))
	if left := onDisk(t, s.Dir()); len(left) > 0 {
		t.Errorf("got files %v after the next deletion, want none", left)
	}
}

func TestDamagedMarkLeadsNowhere(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "a", "b")
	victim := filepath.Join(outside, "victim")
	must(t, os.WriteFile(victim, []byte("dear"), 0o600))
	s := open(t, dir)
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		return tx.Images.MarkGarbage(t.Context(), "sha256:../../../../victim", "../../../victim", "")
	}))
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
	if got := marks(t, open(t, dir)); got != nil {
		t.Errorf("got marks %v, want none", got)
	}
}

func TestCloseTwice(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.Close())
	must(t, s.Close())
	err := s.View(t.Context(), func(jettison.Stores) error { return nil })
	wants(t, err, jettison.ErrUnavailable, s.Dir())
}
