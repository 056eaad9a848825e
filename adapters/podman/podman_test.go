package podman_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
)

func TestDelete(t *testing.T) {
	f := newFixture(t)
	base := f.image(spec{layers: []string{"os"}, names: []string{"localhost/base:1"}})
	app := f.image(spec{layers: []string{"os", "app"}, parent: base, names: []string{"localhost/app:1", "localhost/app:2"}})
	service := jettison.New(f.backend(nil), nil)

	for _, step := range []struct {
		remove string
		opts   jettison.RemoveOptions
		want   []string
	}{
		{"localhost/base:1", jettison.RemoveOptions{PruneChildren: true}, []string{"Untagged: localhost/base:1"}},
		{"localhost/app:2", jettison.RemoveOptions{PruneChildren: true}, []string{"Untagged: localhost/app:2"}},
		{app.id.Encoded()[:12], jettison.RemoveOptions{PruneChildren: true}, []string{
			"Untagged: localhost/app:1", "Deleted: " + app.id.String(), "Deleted: " + app.chain(f, 2),
			"Deleted: " + base.id.String(), "Deleted: " + base.chain(f, 1),
		}},
	} {
		got, err := service.ImageDelete(t.Context(), step.remove, step.opts)
		if err != nil {
			t.Fatalf("remove %s: %v", step.remove, err)
		}
		if diff := cmp.Diff(step.want, lines(got)); diff != "" {
			t.Errorf("remove %s (-want +got):\n%s", step.remove, diff)
		}
	}
	images, err := f.Images()
	f.check(err)
	layers, err := f.Layers()
	f.check(err)
	if len(images)+len(layers) > 0 {
		t.Errorf("left: %v, %v", images, layers)
	}
}

func lines(records []jettison.DeleteResponse) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.String())
	}
	return all
}
