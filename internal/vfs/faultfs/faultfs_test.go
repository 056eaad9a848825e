package faultfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put makes a file with these bytes and gives it a name.
func put(files vfs.FS, dir, name, text string) error {
	f, err := files.CreateTemp(dir, "temp-*")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = files.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err == nil {
		err = files.SyncDir(dir)
	}
	return err
}

// tree returns the files below dir, temporary ones as "temp", and their bytes.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		name, _, _ := strings.Cut(path, "-")
		all[name] = string(text)
		return err
	}))
	return all
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		step  int // create, write, sync, rename, syncdir
		kind  faultfs.Kind
		err   error
		files map[string]string
	}{
		{0, faultfs.None, nil, map[string]string{"name": "text"}},
		{1, faultfs.Fail, syscall.ENOSPC, map[string]string{}},
		{1, faultfs.Late, syscall.ENOSPC, map[string]string{"temp": ""}},
		{2, faultfs.Fail, syscall.ENOSPC, map[string]string{"temp": ""}},
		{2, faultfs.Short, syscall.ENOSPC, map[string]string{"temp": "te"}},
		{2, faultfs.Late, syscall.ENOSPC, map[string]string{"temp": "text"}},
		{2, faultfs.Stop, faultfs.ErrStopped, map[string]string{"temp": ""}},
		{4, faultfs.Fail, syscall.ENOSPC, map[string]string{"temp": "text"}},
		{4, faultfs.Short, syscall.ENOSPC, map[string]string{"temp": "text"}},
		{4, faultfs.Late, syscall.ENOSPC, map[string]string{"name": "text"}},
		{2, faultfs.StopAfter, faultfs.ErrStopped, map[string]string{"temp": "text"}},
		{5, faultfs.Stop, faultfs.ErrStopped, map[string]string{"name": "text"}},
	} {
		dir := t.TempDir()
		plan, count := faultfs.At(test.step, faultfs.Fault{Kind: test.kind})
		files := faultfs.New(vfs.OS{}, plan)
		err := put(files, dir, "name", "text")
		var path *fs.PathError
		if !errors.Is(err, test.err) || err != nil && !errors.As(err, &path) {
			t.Errorf("step %d, %s: got error %v, want %v with its path", test.step, test.kind, err, test.err)
		}
		if diff := cmp.Diff(tree(t, dir), test.files); diff != "" {
			t.Errorf("step %d, %s: files (-got +want):\n%s", test.step, test.kind, diff)
		}
		if want := max(test.step, 5*(1-min(test.step, 1))); count() != want {
			t.Errorf("step %d, %s: got %d steps, want %d", test.step, test.kind, count(), want)
		}
		if stopped := test.kind >= faultfs.Stop; files.Stopped() != stopped {
			t.Errorf("step %d, %s: stopped is %t", test.step, test.kind, !stopped)
		}
		if err := files.Mkdir(filepath.Join(dir, "more"), 0o700); (err == nil) == files.Stopped() {
			t.Errorf("step %d, %s: then got error %v", test.step, test.kind, err)
		}
	}
}

// What a power failure takes, and what not.
func TestPowerFails(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(t *testing.T, d *faultfs.Disk, dir string)
		want map[string]string
	}{
		"nothing":         {func(*testing.T, *faultfs.Disk, string) {}, map[string]string{"old": "old"}},
		"what is synced":  {func(t *testing.T, d *faultfs.Disk, dir string) { must(t, put(d, dir, "new", "new")) }, map[string]string{"old": "old", "new": "new"}},
		"a file in place": {func(t *testing.T, d *faultfs.Disk, dir string) { must(t, put(d, dir, "old", "new")) }, map[string]string{"old": "new"}},
		"a removal":       {func(t *testing.T, d *faultfs.Disk, dir string) { must(t, d.Remove(filepath.Join(dir, "old"))) }, map[string]string{"old": "old"}},
		"a durable removal": {func(t *testing.T, d *faultfs.Disk, dir string) {
			must(t, d.Remove(filepath.Join(dir, "old")))
			must(t, d.SyncDir(dir))
		}, map[string]string{}},
		"a rename": {func(t *testing.T, d *faultfs.Disk, dir string) {
			must(t, d.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "new")))
		}, map[string]string{"old": "old"}},
		"a link": {func(t *testing.T, d *faultfs.Disk, dir string) {
			must(t, d.Link(filepath.Join(dir, "old"), filepath.Join(dir, "new")))
		}, map[string]string{"old": "old"}},
		"a directory":        {inDirectory, map[string]string{"old": "old"}},
		"bytes":              {func(t *testing.T, d *faultfs.Disk, dir string) { unsynced(t, d, dir, 0) }, map[string]string{"old": "old", "new": ""}},
		"some of the bytes":  {func(t *testing.T, d *faultfs.Disk, dir string) { unsynced(t, d, dir, 3) }, map[string]string{"old": "old", "new": "new"}},
		"removed, made anew": {func(t *testing.T, d *faultfs.Disk, dir string) { again(t, d, dir) }, map[string]string{"old": "old"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, keep := range []bool{true, false} {
				dir := t.TempDir()
				must(t, os.WriteFile(filepath.Join(dir, "old"), []byte("old"), 0o600))
				d := faultfs.NewDisk(t.TempDir())
				test.do(t, d, dir)
				want := test.want
				if keep {
					want = tree(t, dir)
				}
				for _, keep := range []bool{keep, false} { // what was kept is durable
					_, err := d.Fail(func(string) bool { return keep })
					must(t, err)
					if diff := cmp.Diff(tree(t, dir), want); diff != "" {
						t.Errorf("files, keep is %t (-got +want):\n%s", keep, diff)
					}
				}
			}
		})
	}
}

// Where the new name of a file is lost, the old one is not.
func TestARenameIsOneChange(t *testing.T) {
	for _, lost := range []string{"old", "new"} {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "old"), filepath.Join(dir, "new")
		must(t, os.WriteFile(from, []byte("text"), 0o600))
		d := faultfs.NewDisk(t.TempDir())
		must(t, d.Rename(from, to))
		_, err := d.Fail(func(path string) bool { return filepath.Base(path) != lost })
		must(t, err)
		want := map[string]string{"old": "text"}
		if lost == "old" { // it comes back beside the new one
			want["new"] = "text"
		}
		if diff := cmp.Diff(tree(t, dir), want); diff != "" {
			t.Errorf("%s is lost: files (-got +want):\n%s", lost, diff)
		}
	}
}

func inDirectory(t *testing.T, d *faultfs.Disk, dir string) {
	sub := filepath.Join(dir, "sub")
	must(t, d.Mkdir(sub, 0o700))
	must(t, put(d, sub, "new", "new"))
}

// unsynced makes a durable name for a file of which so many bytes are durable.
func unsynced(t *testing.T, d *faultfs.Disk, dir string, bytes int) {
	f, err := d.CreateTemp(dir, "temp-*")
	must(t, err)
	_, err = f.Write([]byte("new text")[:bytes])
	must(t, err)
	must(t, f.Sync())
	_, err = f.Write([]byte("new text")[bytes:])
	must(t, err)
	must(t, f.Close())
	must(t, d.Rename(f.Name(), filepath.Join(dir, "new")))
	must(t, d.SyncDir(dir))
}

func again(t *testing.T, d *faultfs.Disk, dir string) {
	old := filepath.Join(dir, "old")
	must(t, d.Remove(old))
	must(t, d.Mkdir(old, 0o700))
	must(t, d.Remove(old))
	must(t, os.WriteFile(old, []byte("new"), 0o600))
	must(t, d.Remove(old))
}
