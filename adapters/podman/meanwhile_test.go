package podman_test

import (
	"errors"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// What Podman changes between the look at the store and the change is noticed by the
// change, and nothing is lost.
func TestMeanwhile(t *testing.T) {
	one, err := reference.ParseNormalizedNamed("localhost/app:1")
	if err != nil {
		t.Fatal(err)
	}
	untag := func(stores jettison.Stores, id digest.Digest) error {
		return stores.References.Delete(t.Context(), one, id)
	}
	remove := func(stores jettison.Stores, id digest.Digest) error {
		_, err := stores.Images.Delete(t.Context(), id)
		return err
	}
	together := func(stores jettison.Stores, id digest.Digest) error {
		n, _, err := stores.Images.Named.DeleteNamed(t.Context(), id, []reference.Named{one})
		if n != 0 {
			t.Errorf("references that were removed: got %d, want 0", n)
		}
		return err
	}
	for name, test := range map[string]struct {
		others func(*fixture, *made) error
		change func(jettison.Stores, digest.Digest) error
		class  error
	}{
		"another name, deleted": {
			func(f *fixture, m *made) error { return f.AddNames(m.id.Encoded(), []string{"localhost/new:1"}) }, remove, jettison.ErrConflict,
		},
		"another name, deleted by name": {
			func(f *fixture, m *made) error { return f.AddNames(m.id.Encoded(), []string{"localhost/new:1"}) }, together, jettison.ErrConflict,
		},
		"a name moved, deleted": {
			func(f *fixture, _ *made) error {
				return f.AddNames(f.image(spec{comment: "other"}).id.Encoded(), []string{one.String()})
			}, remove, jettison.ErrConflict,
		},
		"a name moved, untagged": {
			func(f *fixture, _ *made) error {
				return f.AddNames(f.image(spec{comment: "other"}).id.Encoded(), []string{one.String()})
			}, untag, jettison.ErrNotFound,
		},
		"a container, deleted": {
			func(f *fixture, m *made) error { f.container("c1", m, podmans); return nil }, remove, jettison.ErrConflict,
		},
		"gone, deleted": {
			func(f *fixture, m *made) error { _, err := f.DeleteImage(m.id.Encoded(), true); return err }, remove, jettison.ErrNotFound,
		},
		"gone, untagged": {
			func(f *fixture, m *made) error { _, err := f.DeleteImage(m.id.Encoded(), true); return err }, untag, jettison.ErrNotFound,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			m := f.image(spec{layers: []string{"os"}, names: []string{one.String()}})
			err := f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
				f.check(test.others(f, m))
				before := listing(t, f.root)
				err := test.change(stores, m.id)
				if diff := cmp.Diff(before, listing(t, f.root)); diff != "" {
					t.Errorf("files changed (-before +after):\n%s", diff)
				}
				return err
			})
			if !errors.Is(err, test.class) {
				t.Errorf("got %v, want an error of class %v", err, test.class)
			}
		})
	}
}

// A layer on top that came meanwhile keeps those below.
func TestLayerMeanwhile(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os", "app"}})
	f.check(f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
		f.topmost("child", f.layer(m.topmost, "child"))
		removed, err := stores.Images.Delete(t.Context(), m.id)
		if len(removed.Layers) > 0 {
			t.Errorf("layers that went: %v", removed.Layers)
		}
		return err
	}))
	if left := f.problems(); len(left) > 0 {
		t.Errorf("problems: %q", left)
	}
}

// Nor does one of an additional store fail for that, of which layers go one by one.
func TestLayerMeanwhileOnAdditional(t *testing.T) {
	for came, put := range map[string]func(f *fixture, lower string){
		"a layer":  func(f *fixture, lower string) { f.topmost("beside", f.layer(lower, "beside")) },
		"an image": func(f *fixture, lower string) { f.topmost("on it", lower) },
	} {
		_, f, base := additional(t)
		lower := f.layer(base.topmost, "lower")
		id := f.topmost("above", f.layer(lower, "upper"))
		f.check(f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
			put(f, lower)
			removed, err := stores.Images.Delete(t.Context(), id)
			if len(removed.Layers) != 1 {
				t.Errorf("layers that went beside %s: got %v, want the upper one", came, removed.Layers)
			}
			return err
		}))
		if left := f.problems(); len(left) > 0 {
			t.Errorf("problems beside %s: %q", came, left)
		}
	}
}

// An image that goes during a view is not there any more, which is no damage.
func TestGoneDuringView(t *testing.T) {
	f := newFixture(t)
	stays, goes := f.image(spec{comment: "stays"}), f.image(spec{comment: "goes"})
	f.check(f.backend(nil).View(t.Context(), func(stores jettison.Stores) error {
		_, err := f.DeleteImage(goes.id.Encoded(), true)
		f.check(err)
		if _, err := stores.Images.Get(t.Context(), goes.id); !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("got %v, want an error of class NotFound", err)
		}
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil || img.ID != stays.id {
				t.Errorf("all images: got %s, %v", img.ID, err)
			}
		}
		return nil
	}))
}

// A digest that Podman keeps no name with means the tags of its repository.
func TestByDigest(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}, names: []string{"quay.io/team/app:1", "quay.io/team/app:2", "localhost/other:1"}})
	img, err := f.Image(m.id.Encoded())
	f.check(err)
	service := jettison.New(f.backend(nil), nil)
	for _, step := range []struct {
		text string
		want []string
	}{
		{"quay.io/team/app@" + img.Digest.String(), []string{"Untagged: quay.io/team/app:1", "Untagged: quay.io/team/app:2"}},
		{"localhost/other@" + img.Digest.String(), []string{"Untagged: localhost/other:1", "Deleted: " + m.id.String(), "Deleted: " + m.chain(f, 1)}},
	} {
		records, err := service.ImageDelete(t.Context(), step.text, jettison.RemoveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, lines(records)); diff != "" {
			t.Errorf("remove %s (-want +got):\n%s", step.text, diff)
		}
	}
}

// A container that came meanwhile keeps its image, also one on a layer of an additional
// store, which the library does not delete as a whole.
func TestContainerMeanwhile(t *testing.T) {
	_, f, base := additional(t)
	id := f.topmost("on it", base.topmost)
	err := f.backend(nil).Update(t.Context(), func(stores jettison.Stores) error {
		f.container("c1", &made{id: id}, podmans)
		_, err := stores.Images.Delete(t.Context(), id)
		return err
	})
	if there := f.Exists(id.Encoded()); !errors.Is(err, jettison.ErrConflict) || !there {
		t.Errorf("got %v, want an error of class Conflict; the image is there: %t", err, there)
	}
}
