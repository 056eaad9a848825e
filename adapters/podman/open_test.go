package podman_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// listing has every file below a directory, with the digest of what is in it.
func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			found[path] = ""
			return err
		}
		data, err := os.ReadFile(path)
		found[path] = digest.FromBytes(data).String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// unchanged runs fn and makes sure that no file below the directory changes.
func unchanged(t *testing.T, dir string, fn func()) {
	t.Helper()
	before := listing(t, dir)
	fn()
	if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
}

// open opens the store in a directory, which is to close it at the end.
func open(t *testing.T, opts podman.Options) (*podman.Store, error) {
	t.Helper()
	s, err := podman.Open(t.Context(), &opts)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() }) // it never fails
	}
	return s, err
}

func TestOpen(t *testing.T) {
	f := newFixture(t)
	app := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	s, err := open(t, podman.Options{GraphRoot: f.root, RunRoot: f.runRoot})
	if err != nil {
		t.Fatal(err)
	}
	records, err := jettison.New(s, nil).ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Untagged: localhost/app:1", "Deleted: " + app.id.String(), "Deleted: " + app.chain(f, 1)}
	if diff := cmp.Diff(want, lines(records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	for what, err := range map[string]error{"View": s.View(t.Context(), nothing), "Update": s.Update(t.Context(), nothing)} {
		if !errors.Is(err, jettison.ErrInvalidArgument) {
			t.Errorf("%s of a closed store: got %v, want an error of class InvalidArgument", what, err)
		}
	}
}

// What is no store is told so, and nothing is made in it.
func TestOpenRefusals(t *testing.T) {
	f := newFixture(t)
	f.image(spec{layers: []string{"os"}})
	dir := t.TempDir()
	directory := func(names ...string) string {
		made := filepath.Join(dir, "made of "+strings.Join(names, " and "))
		for _, name := range append(names, "") {
			f.check(os.MkdirAll(filepath.Join(made, name), 0o700))
		}
		return made
	}
	file := filepath.Join(directory("file"), "file", "name")
	f.check(os.WriteFile(file, nil, 0o600))
	bare := &podman.NotStoreError{}

	for name, test := range map[string]struct {
		opts  podman.Options
		class error
		as    any
		text  string
	}{
		"missing":        {podman.Options{GraphRoot: filepath.Join(dir, "missing")}, jettison.ErrNotFound, nil, "no containers/storage store at "},
		"a file":         {podman.Options{GraphRoot: file}, jettison.ErrInvalidArgument, &bare, "it is a file"},
		"empty":          {podman.Options{GraphRoot: directory("empty")}, jettison.ErrInvalidArgument, &bare, "no records"},
		"no layers":      {podman.Options{GraphRoot: directory("vfs-images")}, jettison.ErrInvalidArgument, &bare, "no records"},
		"another driver": {podman.Options{GraphRoot: f.root, Driver: "overlay"}, jettison.ErrInvalidArgument, &bare, "driver vfs, not of overlay"},
		"unknown driver": {podman.Options{GraphRoot: directory("btrfs-images", "btrfs-layers")}, jettison.ErrInvalidArgument, &bare, "btrfs is not known"},
		"several drivers": {
			podman.Options{GraphRoot: directory("vfs-images", "vfs-layers", "zfs-images", "zfs-layers")},
			jettison.ErrInvalidArgument, &bare, "vfs, zfs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			unchanged(t, dir, func() {
				unchanged(t, f.root, func() {
					test.opts.RunRoot = filepath.Join(dir, "run")
					_, err := open(t, test.opts)
					if !errors.Is(err, test.class) || !strings.Contains(err.Error(), test.text) || test.as != nil && !errors.As(err, test.as) {
						t.Errorf("got %v, want an error of class %v that says %q", err, test.class, test.text)
					}
				})
			})
		})
	}
}

// Incomplete layers are not cleaned away unasked.
func TestIncomplete(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}})
	path := filepath.Join(f.root, "vfs-layers", "layers.json")
	data, err := os.ReadFile(path)
	f.check(err)
	f.check(os.WriteFile(path, []byte(strings.Replace(string(data), `"created"`, `"flags":{"incomplete":true},"created"`, 1)), 0o600))

	check := func(what string, err error) {
		t.Helper()
		var incomplete *podman.IncompleteError
		if !errors.As(err, &incomplete) || !errors.Is(err, jettison.ErrConflict) {
			t.Fatalf("%s: got %v, want an IncompleteError of class Conflict", what, err)
		}
		if diff := cmp.Diff([]string{m.topmost}, incomplete.Layers); diff != "" || incomplete.Path != path {
			t.Errorf("%s: incomplete layers of %s (-want +got):\n%s", what, incomplete.Path, diff)
		}
	}
	unchanged(t, f.root, func() {
		_, err := open(t, podman.Options{GraphRoot: f.root, RunRoot: f.runRoot})
		check("Open", err)
		_, err = jettison.New(f.backend(nil), nil).ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{})
		check("ImageDelete", err)
	})
}

// Layers that are not to outlive the system have a file of their own.
func TestIncompleteVolatile(t *testing.T) {
	for name, opts := range map[string]storage.StoreOptions{"root": {}, "run": {TransientStore: true}} {
		f := newFixtureWith(t, opts)
		m := f.image(spec{layers: []string{"os"}})
		dir := filepath.Dir(f.root)
		path := filepath.Join(dir, name, "vfs-layers", "volatile-layers.json")
		f.check(os.WriteFile(path, []byte(`[{"id":"half","flags":{"incomplete":true}}]`), 0o600))
		unchanged(t, dir, func() {
			_, err := jettison.New(f.backend(nil), nil).PlanDelete(t.Context(), []string{m.id.String()}, jettison.RemoveOptions{})
			var incomplete *podman.IncompleteError
			if !errors.As(err, &incomplete) || incomplete.Path != path || !slices.Equal(incomplete.Layers, []string{"half"}) {
				t.Errorf("incomplete in the %s: got %v, want an IncompleteError of %s", name, err, path)
			}
		})
	}
}

// A record that cannot be read is damage, and nothing is changed.
func TestDamagedRecords(t *testing.T) {
	for _, name := range []string{"vfs-images/images.json", "vfs-layers/layers.json", "vfs-containers/containers.json"} {
		f := newFixture(t)
		m := f.image(spec{layers: []string{"os"}})
		f.check(os.WriteFile(filepath.Join(f.root, name), []byte(`[{"id": "incomplete"`), 0o600))
		f.Free()
		unchanged(t, f.root, func() {
			s, err := open(t, podman.Options{GraphRoot: f.root, RunRoot: f.runRoot})
			if err == nil {
				_, err = jettison.New(s, nil).ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{})
			}
			if !errors.Is(err, jettison.ErrInternal) || !strings.Contains(err.Error(), filepath.Base(name)) {
				t.Errorf("%s: got %v, want an error of class Internal that names the file", name, err)
			}
		})
	}
}

// Whoever has no rights is told so, and nothing is changed. Root has them all.
func TestMissingRights(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root has all rights")
	}
	for _, locked := range []string{".", "vfs-images", "vfs-layers"} {
		dir := t.TempDir()
		for _, name := range []string{"vfs-images", "vfs-layers", "vfs-containers"} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, mode := range []os.FileMode{0o500, 0} {
			if err := os.Chmod(filepath.Join(dir, locked), mode); err != nil {
				t.Fatal(err)
			}
			run := filepath.Join(t.TempDir(), "run")
			_, err := open(t, podman.Options{GraphRoot: dir, RunRoot: run})
			if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s of mode %v: got %v, want an error of class Unavailable that names the directory", locked, mode, err)
			}
			if err := os.Chmod(filepath.Join(dir, locked), 0o700); err != nil {
				t.Fatal(err)
			}
			if left := listing(t, dir); len(left) != 4 || exists(run) {
				t.Errorf("made: %v, run root: %t", left, exists(run))
			}
		}
	}
}

// An ended context is noticed before anything is opened.
func TestOpenEnded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	dir := t.TempDir()
	_, err := podman.Open(ctx, &podman.Options{GraphRoot: dir, RunRoot: dir})
	if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an error of class Unavailable that wraps that of the context", err)
	}
}
