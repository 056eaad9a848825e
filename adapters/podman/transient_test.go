package podman_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// A transient store has its containers in the run root; they are uses like any other,
// and its locks there are waited for.
func TestTransient(t *testing.T) {
	f := newFixtureWith(t, storage.StoreOptions{TransientStore: true})
	m := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	f.container("c1", m, podmans)
	f.container("c2", m, podmans, "buildah.json")
	if !exists(filepath.Join(f.runRoot, "vfs-containers", "volatile-containers.json")) {
		t.Fatal("the containers are not in the run root")
	}
	if diff := cmp.Diff([]string{"stopped container the c1 (c1)", "stopped container the c2 (c2) of buildah"}, f.users(m)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	service := jettison.New(f.backend(nil), nil)
	if _, err := service.ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{}); !errors.Is(err, jettison.ErrConflict) {
		t.Errorf("in use: got %v, want an error of class Conflict", err)
	}

	path := filepath.Join(f.runRoot, "vfs-containers", "containers.lock")
	pid, release := holder(t, path)
	defer time.AfterFunc(10*time.Second, release).Stop() // or the library waits without end
	err := f.backend(&podman.Options{LockTimeout: 20 * time.Millisecond}).View(t.Context(), nothing)
	checkLocked(t, "View", path, pid, err)
	release()

	f.check(f.DeleteContainer("c1"))
	f.check(f.DeleteContainer("c2"))
	if _, err := service.ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{}); err != nil {
		t.Error(err)
	}
	if left := f.problems(); len(left) > 0 {
		t.Errorf("problems: %q", left)
	}
}
