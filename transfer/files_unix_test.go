//go:build unix

package transfer_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

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

// Nobody has to write to a pipe for a load from it to end with its context.
func TestLoadPipeCancelled(t *testing.T) {
	data := real(t, "docker-archive.tar")
	for name, write := range map[string][]byte{"before it is opened": nil, "in the midst": data[:9000]} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if write != nil {
				writer, err := os.OpenFile(path, os.O_RDWR, 0) // does not wait for who reads
				if err != nil {
					t.Fatal(err)
				}
				defer writer.Close() //nolint:errcheck // the test is over
				if _, err := writer.Write(write); err != nil {
					t.Fatal(err)
				}
			}
			store := newStore(t)
			checkEnds(t, store, path, func(ctx context.Context) error {
				_, err := transfer.Load(ctx, store, path, transfer.LoadOptions{})
				return err
			})
		})
	}
}

// A load that was given up takes nothing from the next one.
func TestLoadPipeAfterCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	store := newStore(t)
	for range 3 {
		checkEnds(t, store, path, func(ctx context.Context) error {
			_, err := transfer.Load(ctx, store, path, transfer.LoadOptions{})
			return err
		})
		waitFor(t, func() bool { // until nobody has it open for reading
			writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err == nil {
				_ = writer.Close()
			}
			return errors.Is(err, syscall.ENXIO)
		})
	}
	written := make(chan error, 1)
	data := real(t, "docker-archive.tar")
	go func() { written <- os.WriteFile(path, data, 0) }()
	report := load(t, store, path, transfer.LoadOptions{})
	checkReport(t, store, report, realArchives()["docker-archive.tar"].images, nil)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for too long")
		}
	}
}

// The file that a load has read from can be read further, by who comes next.
func TestLoadReaderLeavesAFile(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // the test is over
	defer w.Close() //nolint:errcheck // the test is over
	store := newStore(t)
	checkEnds(t, store, "(stream)", func(ctx context.Context) error {
		_, err := transfer.LoadReader(ctx, store, r, transfer.LoadOptions{})
		return err
	})
	if _, err := w.WriteString("next"); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { _ = w.Close() }).Stop()
	got := make([]byte, 4)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "next" {
		t.Errorf("got %q, %v; want what was written after the load", got, err)
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
	if runtime.GOOS != "linux" {
		t.Skip("no such file there")
	}
	_, err := transfer.Load(t.Context(), newStore(t), path, transfer.LoadOptions{})
	var archive *transfer.ArchiveError
	if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, syscall.EIO) || errors.As(err, &archive) {
		t.Errorf("err = %v, want that of the file, of class Unavailable", err)
	}
}
