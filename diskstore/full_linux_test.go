package diskstore_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

// smallDisk is set for a process in which no file may grow beyond a number of
// bytes. It is one of its own, for the test's own files are held to that too.
const smallDisk = "JETTISON_TEST_SMALL_DISK"

// A store that is made on a full disk leaves nothing; one that was there stays.
// Wherever it becomes full, the next Open succeeds when there is space.
func TestOpenOnAFullDisk(t *testing.T) {
	if limit, dir, found := strings.Cut(os.Getenv(smallDisk), " "); found {
		openOnSmallDisk(t, limit, dir)
		return
	}
	for _, limit := range []int{0, 5000, 20_000} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "store")
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenOnAFullDisk$")
		again.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", smallDisk, limit, dir))
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("limit %d: %s is left", limit, dir)
		}
		s := open(t, dir)
		_, err := load(t.Context(), s, "app", "layer")
		must(t, err)
		sound(t, s)
	}
}

func openOnSmallDisk(t *testing.T, limit, dir string) {
	signal.Ignore(syscall.SIGXFSZ) // so that a write returns an error
	n, err := strconv.ParseUint(limit, 10, 64)
	must(t, err)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}))
	_, err = diskstore.Open(t.Context(), dir, nil)
	wants(t, err, jettison.ErrUnavailable, "file too large")
	wants(t, err, jettison.ErrUnavailable, dir)
}
