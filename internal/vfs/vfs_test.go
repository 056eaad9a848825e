package vfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
)

func TestUnavailableSaysWhatToDo(t *testing.T) { // E1, E3
	for errno, advice := range map[error]string{
		syscall.ENOSPC: "; free some space", syscall.EDQUOT: "; free some space", syscall.EROFS: "; the file system is read-only",
		syscall.EACCES: "; look who owns it", syscall.EPERM: "; look who owns it", syscall.EIO: "; the disk may be failing",
	} {
		err := vfs.Unavailable(vfs.Unavailable(&fs.PathError{Op: "write", Path: "/some/file", Err: errno}))
		if !errors.Is(err, class.Unavailable) || !errors.Is(err, errno) || strings.Count(err.Error(), advice) != 1 {
			t.Errorf("got %v, want one of class Unavailable that wraps %v and says %q once", err, errno, advice)
		}
	}
	if err := vfs.Unavailable(nil); err != nil {
		t.Errorf("got %v of no error", err)
	}
	other := class.Errorf(class.NotFound, "open: %w", syscall.EACCES)
	if err := vfs.Unavailable(other); !errors.Is(err, class.NotFound) || err.Error() != other.Error() {
		t.Errorf("got %v, want %v", err, other)
	}
}

// The file system of the machine does what it says.
func TestOS(t *testing.T) {
	var files vfs.FS = vfs.OS{}
	dir := filepath.Join(t.TempDir(), "dir")
	path := func(name string) string { return filepath.Join(dir, name) }
	f, err := files.CreateTemp(t.TempDir(), "temp-*")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte("text"))
	for _, err := range []error{
		err, f.Sync(), f.Close(), files.Mkdir(dir, 0o700), files.Rename(f.Name(), path("a")),
		files.Link(path("a"), path("b")), files.Remove(path("a")), files.SyncDir(dir),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(path("b")); err != nil || string(text) != "text" {
		t.Errorf("got %q (error %v), want text", text, err)
	}
	if _, err := os.Lstat(path("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
	if _, err := files.CreateTemp(path("none"), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
	if err := files.SyncDir(path("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
}
