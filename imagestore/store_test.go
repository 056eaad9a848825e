package imagestore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

func TestGet(t *testing.T) {
	f := newFixture(t)
	parent := f.create(spec("parent", "base"))
	img := f.create(imagestore.Spec{
		Config: []byte(`{
			"created": "2024-02-29T12:00:00.5+02:00",
			"architecture": "arm", "os": "linux", "variant": "v7", "os.version": "1", "os.features": ["f"],
			"config": {"Labels": {"k": "v", "a": ""}},
			"rootfs": {"type": "layers", "diff_ids": ["` + diffID("base").String() + `", "` + diffID("top").String() + `"]},
			"history": [{"empty_layer": true}, {}, {}]
		}`),
		Parent:  parent.ID,
		Layers:  []ocispec.Descriptor{descriptor("base", 100), descriptor("top", 50)},
		Content: []ocispec.Descriptor{descriptor("manifest", 3), descriptor("config", 7)},
	})
	want := imagestore.Image{
		ID:      img.ID,
		Parent:  parent.ID,
		Created: time.Date(2024, 2, 29, 10, 0, 0, 5e8, time.UTC),
		Platform: ocispec.Platform{
			Architecture: "arm", OS: "linux", Variant: "v7", OSVersion: "1", OSFeatures: []string{"f"},
		},
		Labels:  map[string]string{"k": "v", "a": ""},
		Layer:   chainID("base", "top"),
		Size:    160,
		Content: []imagestore.Content{content("manifest", 3, 1), content("config", 7, 1)},
	}
	checkDiff(t, img, want)
	checkDiff(t, f.get(img.ID), want)
}

func TestGetMissing(t *testing.T) {
	f := newFixture(t)
	f.view(func(s *imagestore.Store) error {
		for _, id := range []digest.Digest{"", "sha256:", "a/b", diffID("nothing")} {
			_, err := s.Get(t.Context(), id)
			checkClass(t, err, class.NotFound)
			_, err = s.Layer(t.Context(), id)
			checkClass(t, err, class.NotFound)
		}
		return nil
	})
}

func TestSearch(t *testing.T) {
	f := newFixture(t)
	a, b := f.create(spec("a")).ID, f.create(spec("b")).ID
	if a > b {
		a, b = b, a
	}
	tests := []struct {
		name   string
		prefix string
		want   []digest.Digest
	}{
		{"full ID", string(a), []digest.Digest{a}},
		{"algorithm and digits", string(b[:11]), []digest.Digest{b}},
		{"digits", a.Encoded()[:4], []digest.Digest{a}},
		{"several, sorted", "sha256:", []digest.Digest{a, b}},
		{"all", "", []digest.Digest{a, b}},
		{"none", "0000", nil},
		{"other algorithm", "sha512:" + a.Encoded()[:4], nil},
		{"upper case", "SHA256:" + a.Encoded()[:4], nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.view(func(s *imagestore.Store) error {
				got, err := s.Search(t.Context(), test.prefix)
				checkDiff(t, got, test.want)
				has := slices.DeleteFunc([]digest.Digest{a, b}, func(id digest.Digest) bool { return !imagestore.HasPrefix(id, test.prefix) })
				checkDiff(t, has, append([]digest.Digest{}, test.want...))
				return err
			})
		})
	}
}

// Digits alone are looked for under every algorithm. Images of this store have
// SHA-256 IDs, so another's is put there by hand; R5: it need not be readable.
func TestSearchEveryAlgorithm(t *testing.T) {
	f := newFixture(t)
	id := f.create(spec("a")).ID
	other := digest.NewDigestFromEncoded(digest.SHA512, id.Encoded()+id.Encoded())
	err := f.db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte("image/"+other), []byte("junk"))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.view(func(s *imagestore.Store) error {
		got, err := s.Search(t.Context(), id.Encoded()[:6])
		checkDiff(t, got, []digest.Digest{id, other})
		return err
	})
}

func TestAllIsSorted(t *testing.T) {
	f := newFixture(t)
	want := map[digest.Digest]imagestore.Image{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		img := f.create(spec(name, name))
		want[img.ID] = img
	}
	f.view(func(s *imagestore.Store) error {
		var last digest.Digest
		for img, err := range s.All(t.Context()) {
			if err != nil {
				return err
			}
			if img.ID <= last {
				t.Errorf("got %s after %s", img.ID, last)
			}
			last = img.ID
			checkDiff(t, img, want[img.ID])
			delete(want, img.ID)
		}
		return nil
	})
	if len(want) > 0 {
		t.Errorf("not yielded: %v", want)
	}
}

func TestWalkCanBeLeft(t *testing.T) {
	f := newFixture(t)
	f.create(spec("a", "x"))
	f.create(spec("b", "x"))
	f.view(func(s *imagestore.Store) error {
		n := 0
		for range s.All(t.Context()) {
			n++
			break
		}
		checkDiff(t, n, 1)
		return nil
	})
}

func TestReaderRefusesToWrite(t *testing.T) {
	f := newFixture(t)
	id := f.create(spec("a")).ID
	f.view(func(s *imagestore.Store) error {
		_, err := s.Create(t.Context(), spec("b"))
		checkClass(t, err, class.Internal)
		_, err = s.Delete(t.Context(), id)
		checkClass(t, err, class.Internal)
		checkClass(t, s.SetParent(t.Context(), id, ""), class.Internal)
		checkClass(t, s.MarkGarbage(t.Context(), id), class.Internal)
		checkClass(t, s.ClearGarbage(t.Context(), id), class.Internal)
		return nil
	})
}
