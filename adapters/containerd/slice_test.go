package containerd_test

import (
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

func TestDeletesByName(t *testing.T) {
	p := fixture.Open(t)
	e := &fixture.Engine{Services: p.Services, Namespace: "default", Snapshotter: fixture.Snapshotter, Runner: p.Tasks}
	app := fixture.NewObject(storetest.Spec{Name: "app", Layers: []string{"os", "app"}}.Image(), fixture.Snapshotter)
	base := fixture.NewObject(storetest.Spec{Name: "base", Layers: []string{"os"}}.Image(), fixture.Snapshotter)
	if err := e.Pull(t.Context(), app, "", "docker.io/library/app:1", "docker.io/library/app:2"); err != nil {
		t.Fatal(err)
	}
	if err := e.Pull(t.Context(), base, "", "docker.io/library/base:1"); err != nil {
		t.Fatal(err)
	}
	b, err := containerd.New(p.Services, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := jettison.New(b, nil)
	for _, name := range []string{"app:1", "app:2", "base:1"} {
		records, err := s.ImageDelete(t.Context(), name, jettison.RemoveOptions{})
		t.Log(records, err)
	}
	if err := b.View(t.Context(), func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			t.Error(img, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
