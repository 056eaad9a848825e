package podman_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/internal/backends"
)

// family returns the parent and the children of an image.
func (f *fixture) family(of *made) (parent digest.Digest, children []digest.Digest) {
	f.t.Helper()
	f.check(f.backend(nil).View(f.t.Context(), func(stores jettison.Stores) error {
		img, err := stores.Images.Get(f.t.Context(), of.id)
		if err != nil {
			return err
		}
		parent = img.Parent
		children, err = stores.Images.Children(f.t.Context(), of.id)
		return err
	}))
	return parent, children
}

// expectFamily compares the parent and the children of an image.
func (f *fixture) expectFamily(name string, of, parent *made, children ...*made) {
	f.t.Helper()
	var wantParent digest.Digest
	if parent != nil {
		wantParent = parent.id
	}
	var wantChildren []digest.Digest
	for _, child := range children {
		wantChildren = append(wantChildren, child.id)
	}
	slices.Sort(wantChildren)
	gotParent, gotChildren := f.family(of)
	if gotParent != wantParent {
		f.t.Errorf("parent of %s: got %s, want %s", name, gotParent, wantParent)
	}
	if diff := cmp.Diff(wantChildren, gotChildren); diff != "" {
		f.t.Errorf("children of %s (-want +got):\n%s", name, diff)
	}
}

// The parent is an image with the same layer, or the layer below, whose history has
// one step less.
func TestParents(t *testing.T) {
	f := newFixture(t)
	base := f.image(spec{layers: []string{"os"}})
	config := f.image(spec{layers: []string{"os"}, parent: base, comment: "config"})
	app := f.image(spec{layers: []string{"os", "app"}, parent: config})
	other := f.image(spec{layers: []string{"os", "app"}, comment: "has another history"})
	jump := f.image(spec{layers: []string{"os", "lib", "jump"}, parent: base, comment: "two layers above"})
	f.expectFamily("base", base, nil, config)
	f.expectFamily("config", config, base, app)
	f.expectFamily("app", app, config)
	f.expectFamily("other", other, nil)
	f.expectFamily("jump", jump, nil)

	// The parent of one that has gone is not that of its children.
	records, err := jettison.New(f.backend(nil), nil).ImageDelete(t.Context(), other.id.String(), jettison.RemoveOptions{})
	f.check(err)
	if diff := cmp.Diff([]string{"Deleted: " + other.id.String()}, lines(records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	_, err = f.DeleteImage(config.id.Encoded(), true)
	f.check(err)
	f.expectFamily("base without config", base, nil)
	f.expectFamily("app without config", app, nil)
}

// Of several that can be the parent, the first in the order of the store is it. The
// next one takes its place.
func TestParentsAlike(t *testing.T) {
	f := newFixture(t)
	first := f.image(spec{layers: []string{"os"}, labels: map[string]string{"n": "1"}})
	second := f.image(spec{layers: []string{"os"}, labels: map[string]string{"n": "2"}})
	child := f.image(spec{layers: []string{"os", "app"}, parent: first})
	f.expectFamily("first", first, nil, child)
	f.expectFamily("second", second, nil)
	err := f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
		if _, err := stores.Images.Children(t.Context(), second.id); err != nil {
			return err
		}
		if _, err := stores.Images.Delete(t.Context(), first.id); err != nil {
			return err
		}
		children, err := stores.Images.Children(t.Context(), second.id)
		if diff := cmp.Diff([]digest.Digest{child.id}, children); diff != "" {
			t.Errorf("children of second (-want +got):\n%s", diff)
		}
		return err
	})
	f.check(err)
}

// Images without layers are each other's candidates; one without a readable
// configuration is none.
func TestParentsWithoutLayers(t *testing.T) {
	f := newFixture(t)
	root := f.image(spec{})
	child := f.image(spec{parent: root})
	grandchild := f.image(spec{parent: child})
	f.expectFamily("root", root, nil, child)
	f.expectFamily("child", child, root, grandchild)
	f.check(os.Remove(f.document(child.id, backends.Config)))
	f.expectFamily("root of a damaged child", root, nil)
	f.expectFamily("the damaged child", child, nil)
	f.expectFamily("child of a damaged parent", grandchild, nil)
}

// A counting store counts the documents of images that are read.
type counting struct {
	storage.Store
	mu   sync.Mutex
	read map[string]int
}

func (c *counting) ImageBigData(id, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read[id]++
	return c.Store.ImageBigData(id, key)
}

// A deletion reads the documents of the images around the same layers alone, each
// once.
func TestFewDocumentsAreRead(t *testing.T) {
	f := newFixture(t)
	base := f.image(spec{layers: []string{"os"}})
	app := f.image(spec{layers: []string{"os", "app"}, parent: base, names: []string{"localhost/app:1"}})
	for i := range 100 {
		f.image(spec{layers: []string{fmt.Sprint("other ", i%10)}, comment: fmt.Sprint(i)})
	}
	store := &counting{Store: f.Store, read: make(map[string]int)}
	service := jettison.New(podman.New(store, nil), nil)
	if _, err := service.PlanDelete(t.Context(), []string{"localhost/app:1"}, jettison.RemoveOptions{PruneChildren: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := service.ImageDelete(context.Background(), "localhost/app:1", jettison.RemoveOptions{PruneChildren: true}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{base.id.Encoded(): 2, app.id.Encoded(): 2} // manifest and configuration
	if diff := cmp.Diff(want, store.read); diff != "" {
		t.Errorf("documents that were read (-want +got):\n%s", diff)
	}
}

// A prune reads the documents of each image once, however many images may be each
// other's parents; damaged ones once more for each look at the store.
func TestDocumentsAreReadOnce(t *testing.T) {
	f := newFixture(t)
	want := make(map[string]int)
	for i := range 20 {
		whole := f.image(spec{layers: []string{"os"}, comment: fmt.Sprint("whole ", i)})
		want[whole.id.Encoded()] = 2 // manifest and configuration
	}
	for i := range 5 {
		damaged := f.image(spec{layers: []string{"os"}, comment: fmt.Sprint("damaged ", i)})
		f.check(os.Remove(f.document(damaged.id, backends.Config)))
		want[damaged.id.Encoded()] = 4 // the look that chooses, and that which deletes
		want[f.list(fmt.Sprint(i), nil).Encoded()] = 1
	}
	store := &counting{Store: f.Store, read: make(map[string]int)}
	report, err := jettison.New(podman.New(store, nil), nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	f.check(err)
	if len(report.ImagesDeleted) != 30+1 { // and the layer
		t.Errorf("records: %v", report.ImagesDeleted)
	}
	if diff := cmp.Diff(want, store.read); diff != "" {
		t.Errorf("documents that were read (-want +got):\n%s", diff)
	}
}
