package ocilayout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/ocilayout"
)

// listToo is what another tool does: it adds a descriptor to index.json.
func listToo(t testing.TB, dir string, desc ocispec.Descriptor) {
	t.Helper()
	var index ocispec.Index
	if err := json.Unmarshal([]byte(read(t, dir, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	index.Manifests = append(index.Manifests, desc)
	data, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, "index.json.other")
	write(t, temp, data)
	if err := os.Rename(temp, filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
}

// When another program changes index.json between the read and the commit, the
// work is done again on what is there then.
func TestIndexChangedMeanwhile(t *testing.T) {
	dir := faultLayout(t)
	l := open(t, dir)
	runs := 0
	err := l.Update(t.Context(), func(stores jettison.Stores) error {
		if runs++; runs == 1 {
			listToo(t, dir, named(putImage(t, dir, faultImage(7)), "other:1"))
		}
		_, err := stores.Images.Delete(t.Context(), faultImage(1).ID())
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("got %v after %d runs, want success after 2", err, runs)
	}
	index := read(t, dir, "index.json")
	if strings.Contains(index, "app:1.0") || !strings.Contains(index, "other:1") {
		t.Errorf("index.json has not both changes: %s", index)
	}
	if _, damage := list(t, l); len(damage) > 0 {
		t.Error(damage)
	}
}

// A program that changes index.json over and over ends the Update at last, with
// nothing changed.
func TestIndexChangedForEver(t *testing.T) {
	dir := faultLayout(t)
	n := 10
	err := open(t, dir).Update(t.Context(), func(stores jettison.Stores) error {
		n++
		listToo(t, dir, putImage(t, dir, faultImage(n)))
		_, err := stores.Images.Delete(t.Context(), faultImage(1).ID())
		return err
	})
	if !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("got %v, want an error of class Unavailable", err)
	}
	if !strings.Contains(read(t, dir, "index.json"), "app:1.0") {
		t.Error("app:1.0 is gone")
	}
	if left := len(strays(t, dir)); left != 0 {
		t.Errorf("%d files are left", left)
	}
}

// A blob that another program has listed again by the time of its removal stays.
func TestBlobWantedAgain(t *testing.T) {
	dir := faultLayout(t)
	again := putImage(t, dir, faultImage(1))
	done := false
	fs := faultfs.New(vfs.OS{}, func(s faultfs.Step) faultfs.Fault {
		if s.Op == faultfs.SyncDir && !done {
			done = true
			listToo(t, dir, named(again, "again:1"))
		}
		return faultfs.Fault{}
	})
	l, err := ocilayout.OpenOn(t.Context(), dir, nil, fs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jettison.New(l, nil).ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	images, damage := list(t, l)
	if !strings.Contains(strings.Join(images, "\n"), "again:1") || len(damage) > 0 {
		t.Errorf("got images %q and damage %v, want again:1 whole", images, damage)
	}
}

// A second writer waits, and then is told who holds the lock. A reader does not
// wait. No lock file is left.
func TestLock(t *testing.T) {
	dir := faultLayout(t)
	l := open(t, dir)
	other, err := ocilayout.Open(t.Context(), dir, &ocilayout.Options{LockTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	patient, err := ocilayout.Open(t.Context(), dir, &ocilayout.Options{LockTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(jettison.Stores) error { return nil }
	err = l.Update(t.Context(), func(jettison.Stores) error {
		err := other.Update(t.Context(), nothing)
		var locked *ocilayout.LockedError
		if !errors.As(err, &locked) || !errors.Is(err, jettison.ErrUnavailable) || !strings.Contains(locked.Holder, "process ") {
			t.Errorf("got %v, want a *LockedError with its holder", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := patient.Update(ctx, nothing); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: got %v", err)
		}
		return other.View(t.Context(), nothing)
	})
	if err != nil {
		t.Error(err)
	}
	if err := other.Update(t.Context(), nothing); err != nil {
		t.Errorf("after it: %v", err)
	}
	if stray := strays(t, dir); len(stray) > 0 {
		t.Errorf("files are left: %q", stray)
	}
}

// Sixteen goroutines delete, tag and prune one layout through four Layouts,
// which are to each other as processes are. Each removal is reported by exactly
// one (D15), and what is left is whole, with nothing about that nobody needs
// (D12).
func TestConcurrent(t *testing.T) {
	const images = 40
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		var list []ocispec.Descriptor
		for i := range images {
			list = append(list, named(putImage(t, dir, faultImage(i)), fmt.Sprintf("app:%d", i)))
		}
		return list
	})
	var mu sync.Mutex
	reported := make(map[string]int)
	var layouts []*ocilayout.Layout
	for range 4 {
		l, err := ocilayout.Open(t.Context(), dir, &ocilayout.Options{LockTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		layouts = append(layouts, l)
	}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			service := jettison.New(layouts[worker%4], nil)
			for i := range images {
				if (i+worker)%3 == 0 {
					continue
				}
				records, err := service.ImageDelete(t.Context(), fmt.Sprintf("app:%d", i), jettison.RemoveOptions{})
				if err != nil && !errors.Is(err, jettison.ErrNotFound) {
					t.Errorf("app:%d: %v", i, err)
				}
				mu.Lock()
				for _, r := range records {
					reported[r.String()]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for record, times := range reported {
		if times != 1 {
			t.Errorf("%s was reported %d times", record, times)
		}
	}
	if len(reported) < 3*images {
		t.Errorf("%d records, want three for each image at least", len(reported))
	}
	if found, damage := list(t, layouts[0]); len(found) > 0 || len(damage) > 0 || len(strays(t, dir)) > 0 {
		t.Errorf("left: images %q, damage %v, files %q", found, damage, strays(t, dir))
	}
}
