//go:build !windows && !plan9 && !solaris && !aix && !android

package boltkv_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// Whoever may read the file may read who has it open.
func TestANoteIsReadableLikeItsFile(t *testing.T) {
	path, _ := newFile(t)
	const mode fs.FileMode = 0o640
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
	info, err := os.Stat(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != mode {
		t.Errorf("got mode %v, want %v", got, mode)
	}
}

// Where a note cannot be read, there may be someone who writes.
func TestANoteThatCannotBeRead(t *testing.T) {
	path, _ := newFile(t)
	reader := open(t, path, readOnly)
	if reader.HasWriter() {
		t.Error("without a note: got a writer, want none")
	}
	if err := os.Symlink(filepath.Base(path)+".lock", path+".lock"); err != nil { // it leads to itself
		t.Fatal(err)
	}
	if !reader.HasWriter() {
		t.Error("with a note that cannot be read: got no writer, want that there may be one")
	}
	writer := open(t, path, nil)
	if !reader.HasWriter() {
		t.Error("got no writer, want one")
	}
	closeDB(t, writer)
	if reader.HasWriter() {
		t.Error("after its end: got a writer, want none")
	}
}

// disks are directories that each lie on a disk of their own.
type disks struct{ vfs.OS }

func (disks) Rename(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EXDEV}
	}
	return os.Rename(from, to)
}

// A file that is opened by a link from another disk has its note like any other,
// and what a crash has left beside it goes.
func TestANoteOfALink(t *testing.T) {
	path, _ := newFile(t)
	left := path + ".new-1"
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	open(t, link, &boltkv.Options{FS: disks{}})
	if !open(t, path, readOnly).HasWriter() {
		t.Error("got no writer, want the one that opened the link")
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("got %v, want that what was left is gone", err)
	}
}
