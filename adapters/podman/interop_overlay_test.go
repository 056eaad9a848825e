//go:build interop

package podman_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/storage/pkg/mount"
	"golang.org/x/sys/unix"

	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/internal/backends"
)

// onDrivers runs a test on a store of each storage driver.
func onDrivers(t *testing.T, test func(*testing.T, *real)) {
	t.Helper()
	for _, driver := range []string{"vfs", "overlay"} {
		t.Run(driver, func(t *testing.T) {
			if driver == "overlay" {
				needOverlay(t)
			}
			test(t, newReal(t, driver))
		})
	}
}

// needOverlay passes over a test where the system mounts no overlay, and says why.
func needOverlay(t *testing.T) {
	t.Helper()
	if err := backends.TryOverlay(t.TempDir()); err != nil {
		t.Skip(err)
	}
}

// mounts are the directories of the store on which something is mounted.
func (r *real) mounts() []string {
	r.t.Helper()
	all, err := mount.GetMounts()
	if err != nil {
		r.t.Fatal(err)
	}
	var found []string
	for _, m := range all {
		if name, in := strings.CutPrefix(m.Mountpoint, r.root+"/"); in {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// Closing a store ends the mount that the library made when it opened it, but not
// while something is mounted in it, whatever the run root tells of that.
func TestInteropCloseUnmounts(t *testing.T) {
	needOverlay(t)
	r := newReal(t, "overlay")
	look := func(runRoot string) {
		t.Helper()
		s, err := podman.Open(t.Context(), &podman.Options{GraphRoot: r.root, RunRoot: runRoot})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.mounts(); !slices.Contains(got, "overlay") {
			t.Errorf("mounted while the store is open: %v", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	look(r.runRoot)
	if left := r.mounts(); len(left) > 0 {
		t.Errorf("left mounted: %v", left)
	}
	r.podman("image", "mount", "app")
	before := r.mounts()
	for _, runRoot := range []string{r.runRoot, filepath.Join(filepath.Dir(r.root), "wrong")} {
		look(runRoot)
		if diff := cmp.Diff(before, r.mounts()); diff != "" || len(before) != 2 {
			t.Errorf("mounted beside an image that is mounted, with the run root %s (-before +after):\n%s", runRoot, diff)
		}
	}
	r.podman("image", "unmount", "app")
	if left := r.mounts(); len(left) > 0 {
		t.Errorf("left mounted at last: %v", left)
	}
}

// A file system of its own that somebody has mounted there stays.
func TestInteropCloseLeavesFileSystem(t *testing.T) {
	needOverlay(t)
	r := newReal(t, "overlay")
	if err := r.backend.Close(); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(r.root, "overlay")
	if err := unix.Mount("tmpfs", home, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	s, err := podman.Open(t.Context(), &podman.Options{GraphRoot: r.root, RunRoot: r.runRoot})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Error(err)
	}
	if err := unix.Unmount(home, 0); err != nil {
		t.Errorf("it is not there any more: %v", err)
	}
}
