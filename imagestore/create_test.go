package imagestore_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

func TestCreateCountsLayers(t *testing.T) {
	f := newFixture(t)
	f.create(spec("a", "base", "middle", "top"))
	f.create(spec("b", "base", "middle"))
	f.create(spec("c", "base", "other"))
	checkDiff(t, f.layer(chainID("base", "middle", "top")), imagestore.Layer{
		ChainID: chainID("base", "middle", "top"),
		DiffID:  diffID("top"),
		Parent:  chainID("base", "middle"),
		Holders: 1,
		Content: []imagestore.Content{content("top", 100, 1)},
	})
	if got := f.layer(chainID("base", "middle")).Holders; got != 2 {
		t.Errorf("got %d holders of the middle, want the layer above and an image", got)
	}
	if got := f.layer(chainID("base")).Holders; got != 2 {
		t.Errorf("got %d holders of the base, want two layers above", got)
	}
	f.view(func(s *imagestore.Store) error {
		checkDiff(t, len(collect(t, s.Layers(t.Context()))), 4)
		return nil
	})
}

func TestCreateTwiceChangesNothing(t *testing.T) {
	f := newFixture(t)
	first := f.create(spec("a", "base", "top"))
	layer, contents := f.layer(first.Layer), f.contents()
	checkDiff(t, f.create(spec("a", "base", "top")), first)
	checkDiff(t, f.layer(first.Layer), layer)
	checkDiff(t, f.contents(), contents)
}

func TestCreateAgainSetsMissingParent(t *testing.T) {
	f := newFixture(t)
	one, two := f.create(spec("one")).ID, f.create(spec("two")).ID
	child := spec("child")
	id := f.create(child).ID
	for _, parent := range []digest.Digest{one, two} {
		child.Parent = parent
		if got := f.create(child).Parent; got != one {
			t.Errorf("got parent %s, want the first one set, %s", got, one)
		}
	}
	checkDiff(t, f.get(id).Parent, one)
	checkDiff(t, f.children(one), []digest.Digest{id})
	checkDiff(t, f.children(two), []digest.Digest(nil))
}

// A second compressed form of a layer is not taken.
func TestExistingLayerKeepsItsContent(t *testing.T) {
	f := newFixture(t)
	f.create(spec("a", "base"))
	again := spec("b", "base")
	again.Layers[0] = descriptor("base, compressed anew", 70)
	img := f.create(again)
	checkDiff(t, f.layer(img.Layer).Content, []imagestore.Content{content("base", 100, 1)})
	checkDiff(t, img.Size, int64(110))
}

func TestCreateWithoutContent(t *testing.T) {
	f := newFixture(t)
	img := f.create(imagestore.Spec{Config: config("a", "base", "top")})
	checkDiff(t, img.Size, int64(0))
	checkDiff(t, f.layer(img.Layer).Content, []imagestore.Content(nil))
	f.delete(img.ID)
	checkDiff(t, f.keys(), []string(nil))
}

func TestCreateWithoutLayers(t *testing.T) {
	f := newFixture(t)
	img := f.create(spec("scratch"))
	checkDiff(t, img.Layer, digest.Digest(""))
	checkDiff(t, f.delete(img.ID), imagestore.Removed{Content: []imagestore.Content{content("config of scratch", 10, 0)}})
}

func TestSizeCountsEachPieceOnce(t *testing.T) {
	f := newFixture(t)
	s := spec("a", "x", "y", "z")
	s.Layers[2] = s.Layers[0]
	s.Content = append(s.Content, s.Layers[1], s.Content[0])
	img := f.create(s)
	checkDiff(t, img.Size, int64(100+100+10))
	checkDiff(t, img.Content, []imagestore.Content{content("config of a", 10, 1), content("y", 100, 2)})
	checkDiff(t, f.get(img.ID), img)
	again := s
	again.Config = config("b", "x", "y", "z")
	checkDiff(t, f.create(again).Size, img.Size)
}

func TestCreateRefuses(t *testing.T) {
	d := string(diffID("a"))
	layers := []ocispec.Descriptor{descriptor("a", 1), descriptor("b", 1)}
	tests := []struct {
		name string
		spec imagestore.Spec
		want string
	}{
		{"no JSON", imagestore.Spec{Config: []byte("{")}, "image configuration: unexpected end of JSON input"},
		{"nothing", imagestore.Spec{}, "image configuration: unexpected end"},
		{"null", imagestore.Spec{Config: []byte("null")}, "no rootfs"},
		{"no rootfs", imagestore.Spec{Config: []byte(`{"os":"linux"}`)}, "no rootfs"},
		{"no digest", imagestore.Spec{Config: []byte(`{"rootfs":{"diff_ids":["x"]}}`)}, `diff ID "x": invalid checksum digest format`},
		{"unknown algorithm", imagestore.Spec{Config: []byte(`{"rootfs":{"diff_ids":["md5:x"]}}`)}, "unsupported digest algorithm"},
		{"history", imagestore.Spec{Config: []byte(`{"rootfs":{"diff_ids":["` + d + `"]},"history":[{},{"empty_layer":true},{}]}`)}, "too many non-empty layers in history: 2 of 1"},
		{"too many layers", imagestore.Spec{Config: config("a", "a"), Layers: layers}, "2 layers of content for an image configuration of 1"},
		{"too few layers", imagestore.Spec{Config: config("a", "a", "b", "c"), Layers: layers}, "2 layers of content for an image configuration of 3"},
		{"content digest", imagestore.Spec{Config: config("a"), Content: []ocispec.Descriptor{{Digest: "x"}}}, `content "x": invalid`},
		{"layer digest", imagestore.Spec{Config: config("a", "a"), Layers: make([]ocispec.Descriptor, 1)}, `content "": invalid`},
		{"negative size", imagestore.Spec{Config: config("a"), Content: []ocispec.Descriptor{descriptor("a", -1)}}, "negative size -1"},
		{"size known otherwise", imagestore.Spec{Config: config("a"), Content: []ocispec.Descriptor{descriptor("known", 9)}}, "has 100 bytes, not 9"},
	}
	f := newFixture(t)
	f.create(spec("known", "known"))
	before := f.keys()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := f.try(func(s *imagestore.Store) error {
				_, err := s.Create(t.Context(), test.spec)
				return err
			})
			checkClass(t, err, class.InvalidArgument)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
			checkDiff(t, f.keys(), before)
		})
	}
}

func TestCreateAcceptsOddConfigurations(t *testing.T) {
	for _, text := range []string{
		`{"rootfs":{}}`,
		`{"rootfs":{"diff_ids":null},"config":null,"created":null,"history":null}`,
		`{"rootfs":{"type":"layers"},"config":{"Labels":{}},"os.features":[],"unknown":1}`,
		`{"rootfs":{"diff_ids":["` + digest.SHA512.FromString("x").String() + `"]}}`,
	} {
		f := newFixture(t)
		img := f.create(imagestore.Spec{Config: []byte(text)})
		checkDiff(t, f.get(img.ID), img)
		checkDiff(t, img.ID, digest.FromString(text))
	}
}

func TestCreateTakesContentFromGarbage(t *testing.T) {
	f := newFixture(t)
	s := spec("a", "base")
	f.edit(func(store *imagestore.Store) error {
		return store.MarkGarbage(t.Context(), s.Layers[0].Digest, s.Content[0].Digest, digest.FromString("other"))
	})
	f.create(s)
	checkDiff(t, f.garbage(), []digest.Digest{digest.FromString("other")})
}
