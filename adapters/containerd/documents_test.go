package containerd_test

import (
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// An image whose content is missing is listed, and goes by name and by ID.
func TestMissingContent(t *testing.T) {
	for _, what := range []string{"target", "config", "index"} {
		for _, byID := range []bool{false, true} {
			l := newLab(t, nil)
			made := storetest.Spec{Name: "app", Layers: []string{"os"}}.Image()
			if what == "index" {
				made = storetest.IndexSpec{Name: "app", Images: []storetest.Spec{{Name: "one", Layers: []string{"os"}}}}.Image()
			}
			o := fixture.NewObject(made, fixture.Snapshotter)
			if err := l.engine.Pull(t.Context(), o, "", "docker.io/library/app:1"); err != nil {
				t.Fatal(err)
			}
			gone := o.Target.Digest
			if what == "config" {
				gone = made.ID()
			}
			if err := l.Services.Content.Delete(l.engine.In(t.Context()), gone); err != nil {
				t.Fatal(err)
			}
			if found, err := l.service.Resolve(t.Context(), "app:1"); err != nil || found.Image.ID != o.Target.Digest {
				t.Errorf("%s is missing: resolved to %s, %v", what, found.Image.ID, err)
			}
			name := "app:1"
			if byID {
				name = o.Target.Digest.String()
			}
			records, err := l.service.ImageDelete(t.Context(), name, jettison.RemoveOptions{})
			if err != nil || len(records) < 2 || len(l.records(t)) != 0 {
				t.Errorf("%s is missing, by ID %t: %v, %v, left %v", what, byID, records, err, l.records(t))
			}
		}
	}
}
