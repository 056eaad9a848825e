package imagestore_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

func chainIDs(layers []imagestore.Layer) (ids []digest.Digest) {
	for _, l := range layers {
		ids = append(ids, l.ChainID)
	}
	return ids
}

// D10: what goes, top to base.
func TestDeleteReportsWhatWent(t *testing.T) {
	f := newFixture(t)
	id := f.create(spec("a", "base", "top")).ID
	got := f.delete(id)
	checkDiff(t, got, imagestore.Removed{
		Layers: []imagestore.Layer{
			{ChainID: chainID("base", "top"), DiffID: diffID("top"), Parent: chainID("base"), Content: []imagestore.Content{content("top", 100, 0)}},
			{ChainID: chainID("base"), DiffID: diffID("base"), Content: []imagestore.Content{content("base", 100, 0)}},
		},
		Content: []imagestore.Content{content("config of a", 10, 0), content("top", 100, 0), content("base", 100, 0)},
	})
	checkDiff(t, got.Size(), int64(210))
	checkDiff(t, len(f.keys()), len(f.garbage()))
	checkDiff(t, len(f.garbage()), 3)
}

// D12: a layer goes when the last image that uses it goes.
func TestDeleteKeepsWhatIsShared(t *testing.T) {
	f := newFixture(t)
	a := f.create(spec("a", "base", "a")).ID
	b := f.create(spec("b", "base", "b")).ID
	base := f.create(spec("base", "base")).ID
	checkDiff(t, chainIDs(f.delete(a).Layers), []digest.Digest{chainID("base", "a")})
	checkDiff(t, f.layer(chainID("base")).Holders, 2)
	checkDiff(t, chainIDs(f.delete(base).Layers), []digest.Digest(nil))
	checkDiff(t, chainIDs(f.delete(b).Layers), []digest.Digest{chainID("base", "b"), chainID("base")})
}

// D12: one compressed archive may serve two chains; it goes with the second,
// and is counted once.
func TestDeleteCountsContentOfTwoChainsOnce(t *testing.T) {
	f := newFixture(t)
	a := f.create(spec("a", "x", "shared")).ID
	b := f.create(spec("b", "y", "shared")).ID
	checkDiff(t, f.layer(chainID("x", "shared")).Content, []imagestore.Content{content("shared", 100, 2)})
	first := f.delete(a)
	checkDiff(t, first.Content, []imagestore.Content{content("config of a", 10, 0), content("x", 100, 0)})
	checkDiff(t, first.Layers[0].Content, []imagestore.Content{content("shared", 100, 1)})
	second := f.delete(b)
	checkDiff(t, second.Content,
		[]imagestore.Content{content("config of b", 10, 0), content("shared", 100, 0), content("y", 100, 0)})
	checkDiff(t, first.Size()+second.Size(), int64(320))
}

// D12: a layer and the image itself may keep the same content.
func TestDeleteCountsContentOfImageAndLayersOnce(t *testing.T) {
	f := newFixture(t)
	s := spec("a", "x", "y")
	s.Layers[1] = s.Layers[0]
	s.Content = append(s.Content, s.Layers[0])
	img := f.create(s)
	checkDiff(t, f.contents()[0].Holders+f.contents()[1].Holders, 4)
	got := f.delete(img.ID)
	checkDiff(t, got.Content, []imagestore.Content{content("config of a", 10, 0), content("x", 100, 0)})
	checkDiff(t, got.Size(), img.Size)
	checkDiff(t, len(f.contents()), 0)
}

// D15: of two deletions only one succeeds.
func TestDeleteTwice(t *testing.T) {
	f := newFixture(t)
	id := f.create(spec("a", "base")).ID
	f.delete(id)
	err := f.try(func(s *imagestore.Store) error {
		_, err := s.Delete(t.Context(), id)
		return err
	})
	checkClass(t, err, class.NotFound)
}

func TestDeleteUnlinks(t *testing.T) {
	f := newFixture(t)
	top, middle, bottom := spec("top"), spec("middle"), spec("bottom")
	topID := f.create(top).ID
	middle.Parent = topID
	middleID := f.create(middle).ID
	bottom.Parent = middleID
	want := f.create(bottom)
	f.delete(middleID)
	want.Parent = ""
	checkDiff(t, f.get(want.ID), want)
	checkDiff(t, f.children(topID), []digest.Digest(nil))
	checkDiff(t, f.children(middleID), []digest.Digest(nil))
}

func TestCreateAfterDelete(t *testing.T) {
	f := newFixture(t)
	want := f.create(spec("a", "base", "top"))
	keys := f.keys()
	f.delete(want.ID)
	checkDiff(t, f.create(spec("a", "base", "top")), want)
	checkDiff(t, f.keys(), keys)
}
