//go:build unix

package transfer_test

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// A named pipe in the place of the archive is read as a stream, so that a shell
// can pass the output of a command.
func TestLoadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	data, written := real(t, "docker-archive.tar"), make(chan error, 1)
	go func() { written <- os.WriteFile(path, data, 0) }()
	store := newStore(t)
	report := load(t, store, path, transfer.LoadOptions{})
	checkReport(t, store, report, realArchives()["docker-archive.tar"].images, nil)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// A named pipe in the place of a blob is refused, and nobody waits for it.
func TestLoadPipeInDirectory(t *testing.T) {
	files := change(t, unpack(t, real(t, "oci-layout-skopeo.tar")), ociBlob, func(f file) *file {
		return &file{name: f.name, kind: tar.TypeSymlink, link: "../../pipe"}
	})
	dir := writeDir(t, files)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := transfer.Load(t.Context(), newStore(t), dir, transfer.LoadOptions{})
	checkRefusal(t, err, dir, badInput{want: "is a named pipe"})
}

// A file that cannot be read may be readable later: it is not the archive that
// is wrong.
func TestLoadUnreadable(t *testing.T) {
	const path = "/proc/self/mem" // whose first bytes nobody can read
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	_, err := transfer.Load(t.Context(), newStore(t), path, transfer.LoadOptions{})
	var archive *transfer.ArchiveError
	if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, syscall.EIO) || errors.As(err, &archive) {
		t.Errorf("err = %v, want that of the file, of class Unavailable", err)
	}
}
