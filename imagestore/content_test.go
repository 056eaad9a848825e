package imagestore_test

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

func TestContentsAreSortedAndCounted(t *testing.T) {
	f := newFixture(t)
	f.create(spec("a", "x", "shared"))
	f.create(spec("b", "y", "shared"))
	want := []imagestore.Content{
		content("config of a", 10, 1), content("config of b", 10, 1),
		content("x", 100, 1), content("y", 100, 1), content("shared", 100, 2),
	}
	slices.SortFunc(want, func(a, b imagestore.Content) int {
		if a.Digest < b.Digest {
			return -1
		}
		return 1
	})
	checkDiff(t, f.contents(), want)
}

func TestGarbage(t *testing.T) {
	f := newFixture(t)
	held, one, two := spec("a").Content[0].Digest, digest.FromString("one"), digest.FromString("two")
	f.create(spec("a"))
	f.edit(func(s *imagestore.Store) error { return s.MarkGarbage(t.Context(), one, held, two, one) })
	want := []digest.Digest{one, two}
	slices.Sort(want)
	checkDiff(t, f.garbage(), want)
	f.edit(func(s *imagestore.Store) error { return s.ClearGarbage(t.Context(), one, held) })
	checkDiff(t, f.garbage(), []digest.Digest{two})
}

// Content of which nothing is known but that something keeps it is not garbage.
func TestUnreadableContentIsNoGarbage(t *testing.T) {
	f := newFixture(t)
	held := spec("a").Content[0].Digest
	f.create(spec("a"))
	f.damage("content/" + string(held))
	f.edit(func(s *imagestore.Store) error { return s.MarkGarbage(t.Context(), held) })
	checkDiff(t, f.garbage(), []digest.Digest(nil))
}

func TestDeletedContentIsGarbage(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(spec("a", "shared")).ID, f.create(spec("b", "shared")).ID
	f.delete(a)
	checkDiff(t, f.garbage(), []digest.Digest{digest.FromString("config of a")})
	f.delete(b)
	want := []digest.Digest{digest.FromString("config of a"), digest.FromString("config of b"), digest.FromString("shared")}
	slices.Sort(want)
	checkDiff(t, f.garbage(), want)
}

// A transaction knows what it marked, in its order, whatever came of it.
func TestMarkedIsOfOneTransaction(t *testing.T) {
	f := newFixture(t)
	one := digest.FromString("one")
	a, b := f.create(spec("a", "shared")).ID, f.create(spec("b", "shared")).ID
	for _, test := range []struct {
		delete digest.Digest
		want   []digest.Digest
	}{
		{a, []digest.Digest{one, digest.FromString("config of a")}},
		{b, []digest.Digest{one, digest.FromString("config of b"), digest.FromString("shared")}},
	} {
		f.edit(func(s *imagestore.Store) error {
			if err := s.MarkGarbage(t.Context(), one, spec("b").Content[0].Digest); err != nil {
				return err
			}
			_, err := s.Delete(t.Context(), test.delete)
			checkDiff(t, s.Marked(), test.want)
			return err
		})
	}
}
