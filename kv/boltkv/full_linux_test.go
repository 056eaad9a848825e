package boltkv_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
)

// smallDisk is set for a process in which no file may grow beyond a page and a
// bit. It is one of its own, for the test's own files are held to that too.
const smallDisk = "JETTISON_TEST_SMALL_DISK"

// A disk that is full when the file is created leaves no part of it.
func TestOpenOnAFullDisk(t *testing.T) {
	if path := os.Getenv(smallDisk); path != "" {
		openOnSmallDisk(t, path)
		return
	}
	for _, before := range [][]string{nil, {"db"}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "db")
		for range before { // an empty file
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenOnAFullDisk$")
		again.Env = append(os.Environ(), smallDisk+"="+path)
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(names(t, dir), before); diff != "" {
			t.Errorf("files (-got +want):\n%s", diff)
		}
		put(t, open(t, path, nil), "a", "1")
	}
}

func openOnSmallDisk(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ) // so that a write returns an error
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: pageSize + 100, Max: pageSize + 100}); err != nil {
		t.Fatal(err)
	}
	_, err := boltkv.Open(t.Context(), path, nil)
	var pathError *os.PathError
	if !errors.Is(err, class.Unavailable) || !errors.Is(err, syscall.EFBIG) || !errors.As(err, &pathError) || pathError.Path != path {
		t.Errorf("error %v; want one of class Unavailable that names %s", err, path)
	}
}

// A commit that the disk has no room for fails all that share it, also a
// function that failed by itself, for it may have read what did not last; and it
// leaves no trace.
func TestACommitOnAFullDiskFailsAllOfABatch(t *testing.T) {
	if path := os.Getenv(smallDisk); path != "" {
		commitOnSmallDisk(t, path)
		return
	}
	path, _ := newFile(t)
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestACommitOnAFullDiskFailsAllOfABatch$")
	again.Env = append(os.Environ(), smallDisk+"="+path)
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got, want := contents(t, path), "a=1 b=1 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func commitOnSmallDisk(t *testing.T, path string) {
	ctx := t.Context()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	room := uint64(info.Size())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		t.Fatal(err)
	}
	large := putting(t, "large", string(make([]byte, info.Size())))
	failing := &update{fn: func(tx kv.Tx) error {
		if _, err := tx.Get(ctx, []byte("large")); err != nil {
			t.Errorf("what an update before it has put: %v", err)
		}
		return errors.New("large is there")
	}}
	small := putting(t, "small", "")
	together(t, path, nil, large, failing, small)
	for name, u := range map[string]*update{"large": large, "failing": failing, "small": small} {
		if !errors.Is(u.err, class.Unavailable) || !strings.Contains(u.err.Error(), syscall.EFBIG.Error()) { // bbolt does not wrap it
			t.Errorf("%s: got error %v, want one of class Unavailable that says %q", name, u.err, syscall.EFBIG)
		}
	}
}
