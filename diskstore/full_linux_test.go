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

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
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

// A smallStore is a store on a disk that can be made full.
type smallStore struct {
	*testing.T
	*diskstore.Store
	fill  func() // leaves no room for content
	cram  func() // leaves no room for records that grow
	drain func()
}

// A disk that becomes full while the store is open: what does not fit is
// refused, and all that was there stays as it was.
func TestDiskFillsInTheMiddle(t *testing.T) { // D14, E3
	disks := map[string]func(*testing.T) *smallStore{"told": toldToBeFull}
	if dir := smallFileSystem(t); dir != "" {
		disks["full"] = func(t *testing.T) *smallStore { return reallyFull(t, dir) }
	}
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) {
			s := disk(t)
			loaded := s.untilRefused("content", func(n int) action {
				return loading(fmt.Sprint("app:", n), "os", large(n))
			})
			if loaded < 3 {
				t.Fatalf("got %d images in, want more", loaded)
			}
			// A deletion reuses the pages that earlier commits have given up.
			for n := range 2 {
				s.fill()
				must(t, deletes(fmt.Sprint("app:", n))(t.Context(), s.Store))
			}
			s.fill()
			s.cram()
			s.untilRefused("commit", func(n int) action {
				return tagsAs("app:2", fmt.Sprint(strings.Repeat("long/", 40), n))
			})
			s.drain()
			must(t, loading("new", "os", large(0))(t.Context(), s.Store))
			sound(t, s.Store)
			must(t, s.Close())
			must(t, open(t, s.Dir()).Close())
			report, err := storecheck.Store(t.Context(), s.Dir())
			must(t, err)
			if report.Problems != nil || report.Marks != nil {
				t.Errorf("got problems %q and marks %v, want none", report.Problems, report.Marks)
			}
		})
	}
}

func large(n int) string { return strings.Repeat(fmt.Sprint(n, " "), 100_000) }

// untilRefused acts until the disk is full, which must change nothing, and
// returns how often it was not.
func (s *smallStore) untilRefused(what string, act func(n int) action) int {
	s.Helper()
	for n := 0; ; n++ {
		before := s.records()
		err := act(n)(s.Context(), s.Store)
		if err == nil {
			continue
		}
		wants(s, err, jettison.ErrUnavailable, what+" ")
		wants(s, err, jettison.ErrUnavailable, s.Dir())
		wants(s, err, jettison.ErrUnavailable, "no space left on device; free some space and try again")
		if diff := cmp.Diff(s.records(), before); diff != "" {
			s.Errorf("records (-got +want):\n%s", diff)
		}
		sound(s, s.Store)
		return n
	}
}

func (s *smallStore) records() map[string]string {
	s.Helper()
	report, err := storecheck.Records(s.Context(), s.DB())
	must(s, err)
	if report.Problems != nil {
		s.Error("problems:", report.Problems)
	}
	return report.Records
}

// smallFileSystem mounts one of a few MiB, or returns "" where that is not
// allowed.
func smallFileSystem(t *testing.T) (dir string) {
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Logf("no file system can be mounted here, so the disk is only told to be full: %v", err)
		return ""
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

func reallyFull(t *testing.T, dir string) *smallStore {
	s, err := diskstore.Open(t.Context(), filepath.Join(dir, "store"), options())
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	filler := filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		must(t, err)
		defer f.Close() //nolint:errcheck // it fills the disk
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	return &smallStore{T: t, Store: s, fill: fill, cram: func() {}, drain: func() { must(t, os.Remove(filler)) }}
}

// toldToBeFull is a store whose changes of files fail as those of a full disk.
func toldToBeFull(t *testing.T) *smallStore {
	content, records := 50, 1000 // steps for which there is room
	use := func(room *int) faultfs.Fault {
		if *room--; *room < 0 {
			return faultfs.Fault{Kind: faultfs.Short}
		}
		return faultfs.Fault{}
	}
	files := faultfs.New(vfs.OS{}, func(s faultfs.Step) faultfs.Fault {
		switch s.Op {
		case faultfs.Write:
			return use(&content)
		case faultfs.Commit:
			return use(&records)
		default:
			return faultfs.Fault{}
		}
	})
	s, err := diskstore.OpenFaulty(t.Context(), filepath.Join(t.TempDir(), "store"), options(), files)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return &smallStore{
		T: t, Store: s,
		fill:  func() { content = 0 },
		cram:  func() { records = 3 },
		drain: func() { content, records = 1000, 1000 },
	}
}
