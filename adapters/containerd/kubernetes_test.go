package containerd_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// A container of Kubernetes uses the image that its runtime has noted: the target,
// whatever the name means by now, or else the configuration.
func TestKubernetesNotes(t *testing.T) {
	config := storetest.Spec{Name: "old", Layers: []string{"os"}}.Image().ID()
	for name, note := range map[string]func(target digest.Digest) map[string]any{
		"target":        func(target digest.Digest) map[string]any { return map[string]any{"ImageDigest": target.String()} },
		"configuration": func(digest.Digest) map[string]any { return map[string]any{"ImageRef": config.String()} },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			old := l.pull(t, "old", []string{"os"}, "registry.k8s.io/old:1")
			next := l.pull(t, "next", []string{"next"}, "registry.k8s.io/app:1")
			run := fixture.Container{ID: "web", Note: note(old), Running: true}
			if name == "target" {
				run.Image = "registry.k8s.io/app:1"
			}
			must(t, l.engine.Run(t.Context(), run))
			_, err := l.service.ImageDelete(t.Context(), old.String(), jettison.RemoveOptions{Force: true})
			wantRefusal(t, err, jettison.ErrConflict, "running container web")
			if _, err := l.service.ImageDelete(t.Context(), next.String(), jettison.RemoveOptions{}); err != nil {
				t.Errorf("the image that its name means now: %v", err)
			}
		})
	}
}

// Kubernetes can throw away the blobs of layers once they are unpacked. An image
// without them is whole, and goes with its snapshots.
func TestLayersWithoutBlobs(t *testing.T) {
	l := newLab(t, nil)
	made := storetest.Spec{Name: "app", Layers: []string{"os", "app"}}.Image()
	id := l.pull(t, "app", []string{"os", "app"}, "registry.k8s.io/app:1")
	for _, layer := range made.Layers {
		must(t, l.Services.Content.Delete(l.engine.In(t.Context()), digest.FromBytes(layer)))
	}
	found, err := l.service.Resolve(t.Context(), "registry.k8s.io/app:1")
	must(t, err)
	if want := int64(len(made.Config)) + int64(len(fixture.Manifest(made))); found.Image.ID != id || found.Image.Size != want {
		t.Errorf("got image %s of %d bytes, want %s of %d", found.Image.ID, found.Image.Size, id, want)
	}
	records, err := l.service.ImageDelete(t.Context(), "registry.k8s.io/app:1", jettison.RemoveOptions{})
	if err != nil || len(records) != 4 {
		t.Errorf("got records %v (%v), want the name, the image and two layers", records, err)
	}
}
