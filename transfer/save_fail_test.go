package transfer_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// listDir lists a directory, hidden files too.
func listDir(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// A save whose context ends, or whose store is damaged, leaves nothing, and a
// file that was there as it was.
func TestSaveLeavesNothing(t *testing.T) {
	for _, format := range transfer.Formats() {
		t.Run(string(format), func(t *testing.T) {
			store, dir := newStore(t), t.TempDir()
			loadData(t, store, real(t, "oci-layout-skopeo.tar"))
			path := filepath.Join(dir, "saved")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opts := transfer.SaveOptions{Format: format, Progress: func(p transfer.Progress) {
				if p.Done > 0 {
					cancel()
				}
			}}
			_, err := transfer.Save(ctx, store, path, nil, opts)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) {
				t.Errorf("err = %v, want that of the context", err)
			}
			if left := listDir(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			damageBlobs(t, store)
			if format != transfer.OCILayout {
				if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			before := listDir(t, dir)
			_, err = transfer.Save(t.Context(), store, path, nil, transfer.SaveOptions{Format: format})
			var damage *diskstore.Damage
			if !errors.As(err, &damage) || !errors.Is(err, jettison.ErrInternal) {
				t.Errorf("err = %v, want a Damage", err)
			}
			if left := listDir(t, dir); len(left) != len(before) {
				t.Errorf("left behind: %q", left)
			}
			if len(before) > 0 && contentOf(t, path)[""] != "before" {
				t.Errorf("the file that was there has changed")
			}
		})
	}
}

// What cannot be saved, or not there, has an error of its class.
func TestSaveRefuses(t *testing.T) {
	store, dir := newStore(t), t.TempDir()
	loadData(t, store, real(t, "docker-archive.tar"))
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		format transfer.Format
		path   string
		ref    string
		class  error
		want   string
	}{
		{"no image", "", "x", "nothing", jettison.ErrNotFound, "No such image: nothing:latest"},
		{"no reference", "", "x", "No", jettison.ErrInvalidArgument, "No"},
		{"no format", "zip", "x", "app:1.0", jettison.ErrInvalidArgument, "unknown format"},
		{"no directory", "", "no/x", "app:1.0", jettison.ErrNotFound, "there is no directory"},
		{"no directory for one", transfer.OCILayout, "no/x", "app:1.0", jettison.ErrNotFound, "there is no directory"},
		{"below a file", "", "file/x", "app:1.0", jettison.ErrUnavailable, "not a directory"},
		{"a directory", "", ".", "app:1.0", jettison.ErrInvalidArgument, "is a directory"},
		{"a directory in use", transfer.OCILayout, ".", "app:1.0", jettison.ErrConflict, "not empty"},
		{"a file for a directory", transfer.OCILayout, "file", "app:1.0", jettison.ErrUnavailable, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := listDir(t, dir)
			_, err := transfer.Save(t.Context(), store, filepath.Join(dir, tt.path), []string{tt.ref}, transfer.SaveOptions{Format: tt.format})
			if !errors.Is(err, tt.class) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q of class %v", err, tt.want, tt.class)
			}
			if left := listDir(t, dir); len(left) != len(before) {
				t.Errorf("left behind: %q", left)
			}
		})
	}
	if _, err := transfer.Save(t.Context(), store, "", []string{"app:1.0"}, transfer.SaveOptions{}); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("no path: err = %v, want class InvalidArgument", err)
	}
}

// Of a link, what it leads to is replaced.
func TestSaveThroughLink(t *testing.T) {
	store, dir := newStore(t), t.TempDir()
	loadData(t, store, real(t, "docker-archive.tar"))
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	err := errors.Join(os.WriteFile(file, []byte("before"), 0o600), os.Symlink("file", link))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Save(t.Context(), store, link, []string{"app:1.0"}, transfer.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); target != "file" || err != nil {
		t.Errorf("link leads to %q, %v", target, err)
	}
	load(t, newStore(t), file, transfer.LoadOptions{})
}

// A writer that takes nothing does not hold up a save whose context ends.
func TestSaveWriterCancelled(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "docker-archive.tar"))
	r, w := io.Pipe()
	defer r.Close() //nolint:errcheck // never fails
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := transfer.SaveWriter(ctx, store, w, nil, transfer.SaveOptions{})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, jettison.ErrUnavailable) {
			t.Errorf("err = %v, want that of the context", err)
		}
	case <-time.After(patience):
		t.Fatal("the save goes on after its context has ended")
	}
}
