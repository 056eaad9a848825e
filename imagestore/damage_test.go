package imagestore_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// checkUnreadable checks that err is about the record of id, names key and says
// what to do (rule E3).
func checkUnreadable(t testing.TB, err error, id digest.Digest, key string) {
	t.Helper()
	var u *imagestore.UnreadableError
	if !errors.As(err, &u) {
		t.Fatalf("got error %v, want an UnreadableError", err)
	}
	checkClass(t, err, class.Internal)
	checkDiff(t, u.ID, id)
	for _, part := range []string{string(id), `key "` + key + `"`, "restore the store from a copy"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to contain %q", err, part)
		}
	}
}

// E3: whatever record is damaged or missing, reading it or what needs it names
// its key.
func TestDamageNamesKey(t *testing.T) {
	s := spec("a", "base", "top")
	id := digest.FromBytes(s.Config)
	top := chainID("base", "top")
	own, topContent := s.Content[0].Digest, s.Layers[1].Digest
	tests := []struct {
		name string
		key  string
		id   digest.Digest
		read func(context.Context, *imagestore.Store) error
	}{
		{"image", "image/" + string(id), id, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Get(ctx, id)
			return err
		}},
		{"content of image", "content/" + string(own), id, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Get(ctx, id)
			return err
		}},
		{"layer", "layer/" + string(top), top, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Layer(ctx, top)
			return err
		}},
		{"content of layer", "content/" + string(topContent), top, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Layer(ctx, top)
			return err
		}},
		{"image created again", "image/" + string(id), id, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Create(ctx, spec("a", "base", "top"))
			return err
		}},
		{"layer of new image", "layer/" + string(top), top, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Create(ctx, spec("new", "base", "top"))
			return err
		}},
		{"content of new image", "content/" + string(topContent), topContent, func(ctx context.Context, s *imagestore.Store) error {
			_, err := s.Create(ctx, spec("new", "top"))
			return err
		}},
		{"image given a parent", "image/" + string(id), id, func(ctx context.Context, s *imagestore.Store) error {
			return s.SetParent(ctx, id, "")
		}},
		{"image made a parent", "image/" + string(id), id, func(ctx context.Context, s *imagestore.Store) error {
			img, err := s.Create(ctx, spec("new"))
			return errors.Join(err, s.SetParent(ctx, img.ID, id))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.create(s)
			f.damage(test.key)
			err := f.try(func(s *imagestore.Store) error { return test.read(t.Context(), s) })
			checkUnreadable(t, err, test.id, test.key)
		})
	}
}

// E3: a record that another one names and that is not there is damage too.
func TestMissingRecordNamesKey(t *testing.T) {
	s := spec("a", "base", "top")
	id := digest.FromBytes(s.Config)
	top, base := chainID("base", "top"), chainID("base")
	t.Run("content", func(t *testing.T) {
		f := newFixture(t)
		f.create(s)
		key := "content/" + string(s.Content[0].Digest)
		f.remove(key)
		err := f.try(func(s *imagestore.Store) error {
			_, err := s.Get(t.Context(), id)
			return err
		})
		checkUnreadable(t, err, id, key)
	})
	t.Run("layer below", func(t *testing.T) {
		f := newFixture(t)
		f.create(s)
		f.remove("layer/" + string(base))
		err := f.try(func(s *imagestore.Store) error {
			_, err := s.Create(t.Context(), spec("new", "base", "top"))
			return err
		})
		checkUnreadable(t, err, base, "layer/"+string(base))
		checkDiff(t, chainIDs(f.delete(id).Layers), []digest.Digest{top})
	})
}

// E3: a walk yields an unreadable record as an error and goes on.
func TestWalksGoOnAfterDamage(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		f.create(spec(name, name))
	}
	f.view(func(s *imagestore.Store) error {
		images, layers, contents := collect(t, s.All(t.Context())), collect(t, s.Layers(t.Context())), collect(t, s.Contents(t.Context()))
		f.damage("image/" + string(images[0].ID))
		f.damage("layer/" + string(layers[1].ChainID))
		f.damage("content/" + string(contents[len(contents)-1].Digest))
		return nil
	})
	f.view(func(s *imagestore.Store) error {
		// The damaged content is that of an image or of a layer.
		good, bad := count(s.All(t.Context()))
		goodLayers, badLayers := count(s.Layers(t.Context()))
		checkDiff(t, good+bad, 3)
		checkDiff(t, goodLayers+badLayers, 3)
		if bad+badLayers < 2 || bad+badLayers > 3 || bad == 0 || badLayers == 0 {
			t.Errorf("got %d unreadable images and %d unreadable layers", bad, badLayers)
		}
		good, bad = count(s.Contents(t.Context()))
		checkDiff(t, good, 5)
		checkDiff(t, bad, 1)
		return nil
	})
}

func count[T any](seq iter.Seq2[T, error]) (good, bad int) {
	for _, err := range seq {
		if err != nil {
			bad++
		} else {
			good++
		}
	}
	return good, bad
}

// R5: an unreadable image can be deleted by its ID. It is gone from the links
// of both sides; what it held stays.
func TestDeleteUnreadable(t *testing.T) {
	for _, key := range []string{"image", "content"} {
		t.Run(key, func(t *testing.T) {
			f := newFixture(t)
			parent := f.create(spec("parent")).ID
			s := spec("a", "base")
			s.Parent = parent
			id := f.create(s).ID
			child := spec("child", "base", "more")
			child.Parent = id
			want := f.create(child)
			f.damage(map[string]string{
				"image":   "image/" + string(id),
				"content": "content/" + string(s.Content[0].Digest),
			}[key])

			checkDiff(t, f.delete(id), imagestore.Removed{})
			want.Parent = ""
			checkDiff(t, f.get(want.ID), want)
			checkDiff(t, f.children(parent), []digest.Digest(nil))
			checkDiff(t, f.children(id), []digest.Digest(nil))
			checkDiff(t, f.layer(chainID("base")).Holders, 2)
			err := f.try(func(s *imagestore.Store) error {
				_, err := s.Delete(t.Context(), id)
				return err
			})
			checkClass(t, err, class.NotFound)
		})
	}
}

// R5: an image with an unreadable child can be deleted.
func TestDeleteParentOfUnreadable(t *testing.T) {
	f := newFixture(t)
	parent := f.create(spec("parent")).ID
	s := spec("a")
	s.Parent = parent
	id := f.create(s).ID
	f.damage("image/" + string(id))
	f.delete(parent)
	checkDiff(t, f.children(parent), []digest.Digest(nil))
	f.delete(id)
}

// An unreadable layer stays, with all below it, and so does one whose content
// is unreadable.
func TestDeleteStopsAtUnreadableLayer(t *testing.T) {
	middle := chainID("base", "middle")
	for _, key := range []string{
		"layer/" + string(middle),
		"content/" + string(digest.FromString("middle")),
	} {
		t.Run(strings.Split(key, "/")[0], func(t *testing.T) {
			f := newFixture(t)
			id := f.create(spec("a", "base", "middle", "top")).ID
			f.damage(key)
			got := f.delete(id)
			checkDiff(t, chainIDs(got.Layers), []digest.Digest{chainID("base", "middle", "top")})
			checkDiff(t, got.Content, []imagestore.Content{content("config of a", 10, 0), content("top", 100, 0)})
			checkDiff(t, f.layer(chainID("base")).Holders, 1)
		})
	}
}

// An older program leaves the records of a newer one alone and says so.
func TestNewerFormat(t *testing.T) {
	f := newFixture(t)
	id := f.create(spec("a")).ID
	f.change("image/"+string(id), func(value []byte) []byte {
		value[0] += 2
		return value
	})
	f.view(func(s *imagestore.Store) error {
		_, err := s.Get(t.Context(), id)
		checkClass(t, err, class.Internal)
		if !strings.Contains(err.Error(), "record of format 3") {
			t.Errorf("got %q, want the format in it", err)
		}
		return nil
	})
}
