package transfer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// smallDisk is set for a process in which no file may grow beyond a number of
// bytes. It is one of its own, for the test's own files are held to that too.
const smallDisk = "JETTISON_TEST_SMALL_DISK"

// Where the disk becomes full, a save and a copy leave nothing of theirs.
func TestSaveOnAFullDisk(t *testing.T) {
	if limit, dir, found := strings.Cut(os.Getenv(smallDisk), " "); found {
		saveOnSmallDisk(t, limit, dir)
		return
	}
	dir := t.TempDir()
	store := openStore(t, filepath.Join(dir, "store"))
	loadData(t, store, real(t, "docker-archive.tar"))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "layout"), os.DirFS(writeDir(t, unpack(t, real(t, "podman-oci-archive.tar"))))); err != nil {
		t.Fatal(err)
	}
	before := sums(contentOf(t, filepath.Join(dir, "layout")))
	for _, limit := range []int{0, 100, 5000, 20_000} {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSaveOnAFullDisk$")
		again.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", smallDisk, limit, dir))
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("limit %d: %v\n%s", limit, err, out)
		}
		if diff := cmp.Diff(listDir(t, dir), []string{"layout", "store"}); diff != "" {
			t.Errorf("limit %d: left behind (-got +want):\n%s", limit, diff)
		}
		if diff := cmp.Diff(sums(contentOf(t, filepath.Join(dir, "layout"))), before); diff != "" {
			t.Errorf("limit %d: layout (-got +want):\n%s", limit, diff)
		}
	}
}

func saveOnSmallDisk(t *testing.T, limit, dir string) {
	store := openStore(t, filepath.Join(dir, "store")) // while there is room for that
	signal.Ignore(syscall.SIGXFSZ)                     // so that a write returns an error
	n, err := strconv.ParseUint(limit, 10, 64)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "saved")
	for _, format := range transfer.Formats() {
		_, err := transfer.Save(t.Context(), store, path, nil, transfer.SaveOptions{Format: format})
		checkFull(t, err, path)
	}
	layout := filepath.Join(dir, "layout")
	_, err = transfer.CopyToLayout(t.Context(), openLayout(t, layout), store, nil, transfer.CopyOptions{})
	checkFull(t, err, layout)
}

func checkFull(t *testing.T, err error, path string) {
	t.Helper()
	if !errors.Is(err, jettison.ErrUnavailable) || !strings.Contains(err.Error(), "file too large") || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v, want one of class Unavailable that names %s", err, path)
	}
}
