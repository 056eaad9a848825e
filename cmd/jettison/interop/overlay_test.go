//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.podman.io/storage/pkg/mount"
	"golang.org/x/sys/unix"

	"github.com/jettison-oci/jettison/internal/backends"
)

// TestOverlay compares on stores of the driver that nearly all real ones have. The
// scripts are those in which layers go or stay, or something is mounted.
func TestOverlay(t *testing.T) {
	if err := backends.TryOverlay(t.TempDir()); err != nil {
		fmt.Fprintf(os.Stderr, "%s is skipped: %v\n", t.Name(), err)
		t.SkipNow()
	}
	s := newSite(t, "overlay")
	for _, name := range []string{
		"rmi_ancestors", "rmi_parent_then_child", "rmi_stopped_force", "rmi_external", "rmi_external_force", "rmi_mounted", "prune_all",
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.compare(t, filepath.Join("testdata/compare", name+".txtar"), &met{ids: map[string]bool{}})
		})
	}
}

// unsoundOverlay lists what is wrong in the directory of the driver overlay: layers
// without files and files without a layer, short names that lead nowhere or are not
// there, by which layers are mounted, and mounts that were forgotten.
func (s *site) unsoundOverlay() []string {
	s.t.Helper()
	wrong := s.stray("", s.recorded("layers"), "l", "tempdirs")
	dir := s.path(s.inside("/l"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	named := map[string]bool{}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if _, missing := os.Stat(filepath.Join(dir, target)); err != nil || missing != nil {
			wrong = append(wrong, fmt.Sprintf("the short name %s leads nowhere: %q", entry.Name(), target))
		}
		named[filepath.Base(filepath.Dir(target))] = true
	}
	for _, id := range s.recorded("layers") {
		if !named[id] {
			wrong = append(wrong, fmt.Sprintf("layer %s has no short name", id))
		}
	}
	if counted, err := os.ReadFile(s.path("now/run/overlay-layers/mountpoints.json")); err != nil || string(counted) == "[]" {
		wrong = append(wrong, s.mounts()...)
	}
	return wrong
}

// mounts are the directories of the store on which something is mounted, innermost
// first.
func (s *site) mounts() []string {
	s.t.Helper()
	all, err := mount.GetMounts()
	if err != nil {
		s.t.Fatal(err)
	}
	var found []string
	for _, m := range all {
		if strings.HasPrefix(m.Mountpoint, s.path("now/")) {
			found = append(found, m.Mountpoint)
		}
	}
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

// unmount ends all mounts in the store, so that it can be removed.
func (s *site) unmount() {
	s.t.Helper()
	for _, dir := range s.mounts() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			s.t.Error(err)
		}
	}
}
