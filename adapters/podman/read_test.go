package podman_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// Config reads what the store has, and waits as a View does.
func TestConfig(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}})
	list := f.list("l", nil, m.id)
	s := f.backend(&podman.Options{LockTimeout: -1})
	got, err := s.Config(t.Context(), m.id)
	f.check(err)
	if diff := cmp.Diff(string(f.json(m.config)), string(got)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	for _, id := range []digest.Digest{list, digest.FromString("none"), "sha512:" + m.id} {
		if _, err := s.Config(t.Context(), id); !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("configuration of %s: got %v, want an error of class NotFound", id, err)
		}
	}
	path := filepath.Join(f.root, "vfs-images/images.lock")
	pid, _ := holder(t, path)
	ended := make(chan error, 1)
	go func() {
		_, err := s.Config(t.Context(), m.id)
		ended <- err
	}()
	select {
	case err := <-ended:
		checkLocked(t, "Config", path, pid, err)
	case <-time.After(time.Minute):
		t.Error("Config waits without end")
	}
}
