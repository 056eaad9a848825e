package podman_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// What another process deletes while parents and children are looked for is none
// of them, and no reason to refuse the image that was asked for.
func TestSiblingDeleted(t *testing.T) {
	f := newFixture(t)
	base := f.image(spec{layers: []string{"os"}, names: []string{"localhost/base:1"}})
	alike := f.image(spec{layers: []string{"os"}, comment: "another"})
	child := f.image(spec{layers: []string{"os", "app"}, parent: base, names: []string{"localhost/app:1"}})
	sibling := f.image(spec{layers: []string{"os", "web"}, parent: base})
	gone := func(made ...*made) {
		for _, m := range made {
			_, err := f.DeleteImage(m.id.Encoded(), true)
			f.check(err)
		}
	}
	err := f.backend(nil).View(t.Context(), func(stores jettison.Stores) error {
		gone(alike, sibling)
		img, err := stores.Images.Get(t.Context(), child.id)
		f.check(err)
		if img.Parent != base.id {
			t.Errorf("parent: got %q, want %q", img.Parent, base.id)
		}
		children, err := stores.Images.Children(t.Context(), base.id)
		f.check(err)
		if len(children) != 1 || children[0] != child.id {
			t.Errorf("children: got %v, want %v", children, []digest.Digest{child.id})
		}
		return nil
	})
	f.check(err)
}
