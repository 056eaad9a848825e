package podman_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// additional makes a store with an image, and another one that has it as an
// additional store, which cannot be changed.
func additional(t *testing.T) (shared, f *fixture, image *made) {
	t.Helper()
	shared = newFixture(t)
	image = shared.image(spec{layers: []string{"os", "app"}, names: []string{"localhost/app:1"}})
	path := filepath.Join(t.TempDir(), "shared") // the library keeps its locks by path
	shared.check(os.Symlink(shared.root, path))
	return shared, newFixture(t, "vfs.imagestore="+path), image
}

// An image of an additional store is shown, refused to everybody, and kept by a
// prune with the reason. Nothing changes.
func TestReadOnly(t *testing.T) {
	shared, f, image := additional(t)
	service := jettison.New(f.backend(&podman.Options{ShortNames: &podman.ShortNames{}}), nil)
	found, err := service.Resolve(t.Context(), "app:1")
	f.check(err)
	if found.Image.ID != image.id || found.Image.Layer.String() != image.chain(shared, 2) {
		t.Errorf("image: got %+v", found.Image)
	}
	unchanged(t, shared.root, func() {
		unchanged(t, f.root, func() {
			for _, opts := range []jettison.RemoveOptions{{}, {Force: true}, {Force: true, RemoveContainers: true}} {
				for _, text := range []string{"localhost/app:1", image.id.String()} {
					_, err := service.ImageDelete(t.Context(), text, opts)
					if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), "read-only") && !strings.Contains(err.Error(), "cannot be changed") {
						t.Errorf("remove %s with %+v: got %v, want an error of class Conflict that says why", text, opts, err)
					}
				}
			}
			report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			f.check(err)
			if len(report.ImagesDeleted) > 0 || len(report.Kept) != 1 || !strings.Contains(report.Kept[0].String(), "read-only") {
				t.Errorf("prune: got %v, kept %v", report.ImagesDeleted, report.Kept)
			}
		})
	})
}

// The store itself refuses, too, whoever asks it.
func TestReadOnlyStores(t *testing.T) {
	_, f, image := additional(t)
	name, err := reference.ParseNormalizedNamed("localhost/app:1")
	f.check(err)
	f.check(f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
		_, deleted := stores.Images.Delete(t.Context(), image.id)
		untagged := stores.References.Delete(t.Context(), name, image.id)
		for what, err := range map[string]error{"delete": deleted, "untag": untagged} {
			if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), "cannot be changed") {
				t.Errorf("%s: got %v, want an error of class Conflict that says why", what, err)
			}
		}
		return nil
	}))
}

// Layers of an additional store stay when an image above them goes.
func TestReadOnlyLayers(t *testing.T) {
	shared, f, base := additional(t)
	upper := f.layer(base.topmost, "upper")
	id := f.topmost("above", upper)
	l, err := f.Layer(upper)
	f.check(err)
	chain := chainAbove(base.chain(shared, 2), l.UncompressedDigest.String())
	records, _ := f.planned(id.String(), jettison.RemoveOptions{})
	if diff := cmp.Diff([]string{"Deleted: " + id.String(), "Deleted: " + chain}, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	on := f.topmost("on it", base.topmost)
	records, _ = f.planned(on.String(), jettison.RemoveOptions{})
	if diff := cmp.Diff([]string{"Deleted: " + on.String()}, records); diff != "" {
		t.Errorf("records of an image on a layer of the other store (-want +got):\n%s", diff)
	}
	if left := shared.problems(); len(left) > 0 {
		t.Errorf("problems: %q", left)
	}
}

// The image of an additional store that got another name lies in both: its names can
// be removed, itself cannot, for it would still be there.
func TestReadOnlyPulledUp(t *testing.T) {
	shared, f, image := additional(t)
	f.check(f.AddNames(image.id.Encoded(), []string{"localhost/mine:1"}))
	service := jettison.New(f.backend(nil), nil)
	unchanged(t, shared.root, func() {
		records, err := service.ImageDelete(t.Context(), "localhost/mine:1", jettison.RemoveOptions{})
		f.check(err)
		if diff := cmp.Diff([]string{"Untagged: localhost/mine:1"}, lines(records)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if _, err := service.ImageDelete(t.Context(), image.id.String(), jettison.RemoveOptions{Force: true}); !errors.Is(err, jettison.ErrConflict) {
			t.Errorf("by ID: got %v, want an error of class Conflict", err)
		}
	})
}

// A name that both stores have means the image of the store that can be changed, for
// the library as for us.
func TestReadOnlyHiddenName(t *testing.T) {
	shared, f, _ := additional(t)
	mine := f.image(spec{comment: "mine", names: []string{"localhost/app:1"}})
	unchanged(t, shared.root, func() {
		records, err := jettison.New(f.backend(nil), nil).ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{})
		f.check(err)
		if diff := cmp.Diff([]string{"Untagged: localhost/app:1", "Deleted: " + mine.id.String()}, lines(records)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}
