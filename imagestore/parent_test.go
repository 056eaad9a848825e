package imagestore_test

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

func (f fixture) setParent(id, parent digest.Digest) {
	f.Helper()
	f.edit(func(s *imagestore.Store) error { return s.SetParent(f.Context(), id, parent) })
}

func TestChildrenAreSorted(t *testing.T) {
	f := newFixture(t)
	parent := f.create(spec("parent")).ID
	var want []digest.Digest
	for _, name := range []string{"a", "b", "c", "d"} {
		s := spec(name)
		s.Parent = parent
		want = append(want, f.create(s).ID)
	}
	slices.Sort(want)
	checkDiff(t, f.children(parent), want)
	checkDiff(t, f.children(want[0]), []digest.Digest(nil))
	checkDiff(t, f.children("sha256:"), []digest.Digest(nil))
}

func TestSetParent(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.create(spec("a", "x")).ID, f.create(spec("b")).ID, f.create(spec("c")).ID
	want := f.get(a)
	for _, parent := range []digest.Digest{b, b, c, "", ""} {
		f.setParent(a, parent)
		want.Parent = parent
		checkDiff(t, f.get(a), want)
		for _, p := range []digest.Digest{b, c} {
			checkDiff(t, slices.Contains(f.children(p), a), p == parent)
		}
	}
}

func TestSetParentRefuses(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.create(spec("a")).ID, f.create(spec("b")).ID, f.create(spec("c")).ID
	f.setParent(b, a)
	f.setParent(c, b)
	nothing := digest.FromString("nothing")
	tests := []struct {
		name       string
		id, parent digest.Digest
		class      error
		want       string
	}{
		{"itself", a, a, class.InvalidArgument, "image " + string(a) + " cannot have itself as an ancestor"},
		{"cycle of two", a, b, class.InvalidArgument, "image " + string(a) + " cannot have itself as an ancestor"},
		{"cycle of three", a, c, class.InvalidArgument, "image " + string(a) + " cannot have itself as an ancestor"},
		{"unknown parent", a, nothing, class.NotFound, "unknown parent image ID " + string(nothing)},
		{"unknown image", nothing, a, class.NotFound, "unrecognized image ID " + string(nothing)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := f.try(func(s *imagestore.Store) error { return s.SetParent(t.Context(), test.id, test.parent) })
			checkClass(t, err, test.class)
			checkDiff(t, err.Error(), test.want)
		})
	}
}

func TestCreateWithUnknownParent(t *testing.T) {
	f := newFixture(t)
	s := spec("a")
	for _, parent := range []digest.Digest{digest.FromString("nothing"), "x"} {
		s.Parent = parent
		err := f.try(func(store *imagestore.Store) error {
			_, err := store.Create(t.Context(), s)
			return err
		})
		checkClass(t, err, class.NotFound)
	}
	s.Parent = digest.FromBytes(s.Config)
	err := f.try(func(store *imagestore.Store) error {
		_, err := store.Create(t.Context(), s)
		return err
	})
	checkClass(t, err, class.InvalidArgument)
}

// A line of ancestors that ends in a circle, which damage can make, ends the
// walk over it.
func TestSetParentOverCircleEnds(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.create(spec("a")).ID, f.create(spec("b")).ID, f.create(spec("c")).ID
	f.setParent(a, b)
	img := f.get(b)
	img.Parent = a
	f.change("image/"+string(b), func([]byte) []byte {
		return imagestore.EncodeImage([]byte("image/"+string(b)), img)
	})
	f.setParent(c, a)
	checkDiff(t, f.get(c).Parent, a)
}
