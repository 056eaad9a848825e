package imagestore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// A history applies random changes to a store and to a model of it that counts
// nothing: the model knows what images there are and recounts every time.
type history struct {
	db     kv.DB
	images map[digest.Digest]*modelImage
	// kept is the content that each layer took when it was made.
	kept map[digest.Digest][]digest.Digest
}

type modelImage struct {
	parent digest.Digest
	chain  []digest.Digest // base to top
	own    []digest.Digest
}

// TestHistory is the recount invariant of rule D12: after any history, every
// holder counted is there, and every record has a holder.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &history{
			db:     memkv.New(),
			images: make(map[digest.Digest]*modelImage),
			kept:   make(map[digest.Digest][]digest.Digest),
		}
		t.Repeat(map[string]func(*rapid.T){
			"create":    h.create,
			"delete":    h.delete,
			"setParent": h.setParent,
			"":          h.check,
		})
	})
}

// update runs fn and keeps the model in step: fn fails whenever want is false.
func (h *history) update(t *rapid.T, want bool, fn func(context.Context, *imagestore.Store) error) {
	err := h.db.Update(t.Context(), func(tx kv.Tx) error { return fn(t.Context(), imagestore.NewMarking(tx)) })
	if (err == nil) != want {
		t.Fatalf("got error %v, want success %v", err, want)
	}
}

// create makes an image of few possible ones, so that layers, content and whole
// images come again.
func (h *history) create(t *rapid.T) {
	layers := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 4).Draw(t, "layers")
	s := spec(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), layers...)
	if rapid.Bool().Draw(t, "own is a layer's") {
		s.Content = append(s.Content, descriptor("x", 100))
	}
	if len(layers) > 0 && rapid.Bool().Draw(t, "compressed anew") {
		s.Layers[len(layers)-1] = descriptor("anew", 100)
	}
	id := digest.FromBytes(s.Config)
	s.Parent = h.drawID(t, "parent", "")
	old := h.images[id]
	valid := s.Parent == "" || old != nil && old.parent != "" ||
		h.images[s.Parent] != nil && !h.isAncestor(id, s.Parent)
	h.update(t, valid, func(ctx context.Context, store *imagestore.Store) error {
		_, err := store.Create(ctx, s)
		return err
	})
	switch {
	case !valid:
	case old == nil:
		h.images[id] = h.model(s, layers)
	case old.parent == "":
		old.parent = s.Parent
	}
}

func (h *history) model(s imagestore.Spec, layers []string) *modelImage {
	img := &modelImage{parent: s.Parent}
	held := h.layerHolders()
	for i := range layers {
		chain := chainID(layers[:i+1]...)
		img.chain = append(img.chain, chain)
		if held[chain] == 0 {
			h.kept[chain] = []digest.Digest{s.Layers[i].Digest}
		}
	}
	for _, c := range s.Content {
		img.own = append(img.own, c.Digest)
	}
	return img
}

func (h *history) delete(t *rapid.T) {
	id := h.drawID(t, "id")
	_, there := h.images[id]
	before, beforeContent := h.layerHolders(), h.contentHolders()
	var removed imagestore.Removed
	h.update(t, there, func(ctx context.Context, s *imagestore.Store) (err error) {
		removed, err = s.Delete(ctx, id)
		return err
	})
	if !there {
		return
	}
	chain := h.images[id].chain
	delete(h.images, id)
	for _, img := range h.images {
		if img.parent == id {
			img.parent = ""
		}
	}
	h.checkRemoved(t, removed, chain, before, beforeContent)
}

// checkRemoved checks that what was removed is the difference of two counts,
// layers from top to base (D10), each piece of content once.
func (h *history) checkRemoved(t *rapid.T, removed imagestore.Removed, chain []digest.Digest, before, beforeContent map[digest.Digest]int) {
	after, afterContent := h.layerHolders(), h.contentHolders()
	var wantLayers []digest.Digest
	for _, id := range slices.Backward(chain) {
		if before[id] > 0 && after[id] == 0 {
			wantLayers = append(wantLayers, id)
		}
	}
	equal(t, "removed layers", chainIDs(removed.Layers), wantLayers)
	got := make(map[digest.Digest]int)
	for _, c := range removed.Content {
		got[c.Digest]++
	}
	want := make(map[digest.Digest]int)
	for dgst := range beforeContent {
		if afterContent[dgst] == 0 {
			want[dgst] = 1
		}
	}
	equal(t, "removed content", got, want)
}

func (h *history) setParent(t *rapid.T) {
	id, parent := h.drawID(t, "id"), h.drawID(t, "parent", "")
	img := h.images[id]
	valid := img != nil && (parent == "" || parent == img.parent || h.images[parent] != nil && !h.isAncestor(id, parent))
	h.update(t, valid, func(ctx context.Context, s *imagestore.Store) error {
		return s.SetParent(ctx, id, parent)
	})
	if valid {
		img.parent = parent
	}
}

// drawID draws the ID of an image that is there, of one that is not, or one of
// more.
func (h *history) drawID(t *rapid.T, label string, more ...digest.Digest) digest.Digest {
	ids := append(slices.Sorted(maps.Keys(h.images)), digest.FromString("nothing"))
	return rapid.SampledFrom(append(ids, more...)).Draw(t, label)
}

// isAncestor reports whether id is at or above the image at.
func (h *history) isAncestor(id, at digest.Digest) bool {
	for at != "" && h.images[at] != nil {
		if at == id {
			return true
		}
		at = h.images[at].parent
	}
	return at == id
}

// layerHolders counts, for every layer that an image needs, the images on top
// of it and the layers above.
func (h *history) layerHolders() map[digest.Digest]int {
	holders := make(map[digest.Digest]int)
	above := make(map[[2]digest.Digest]bool)
	for _, img := range h.images {
		for i, id := range img.chain {
			if i == len(img.chain)-1 {
				holders[id]++
			} else if pair := [2]digest.Digest{id, img.chain[i+1]}; !above[pair] {
				above[pair] = true
				holders[id]++
			}
		}
	}
	return holders
}

func (h *history) contentHolders() map[digest.Digest]int {
	holders := make(map[digest.Digest]int)
	for _, img := range h.images {
		for _, dgst := range img.own {
			holders[dgst]++
		}
	}
	for id := range h.layerHolders() {
		for _, dgst := range h.kept[id] {
			holders[dgst]++
		}
	}
	return holders
}

// check compares everything that can be read with the model.
func (h *history) check(t *rapid.T) {
	err := h.db.View(t.Context(), func(r kv.Reader) error {
		s := imagestore.NewReader(r)
		h.checkImages(t, s)
		layers := make(map[digest.Digest]int)
		for l, err := range s.Layers(t.Context()) {
			if err != nil {
				return err
			}
			layers[l.ChainID] = l.Holders
		}
		equal(t, "layers", layers, h.layerHolders())
		contents := make(map[digest.Digest]int)
		for c, err := range s.Contents(t.Context()) {
			if err != nil {
				return err
			}
			contents[c.Digest] = c.Holders
		}
		equal(t, "contents", contents, h.contentHolders())
		for dgst, err := range s.Garbage(t.Context()) {
			if err != nil || contents[dgst] > 0 {
				return fmt.Errorf("garbage %s has holders, %w", dgst, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *history) checkImages(t *rapid.T, s *imagestore.Store) {
	parents, children := make(map[digest.Digest]digest.Digest), make(map[digest.Digest]digest.Digest)
	for img, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		parents[img.ID] = img.Parent
		ids, err := s.Children(t.Context(), img.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range ids {
			children[child] = img.ID
		}
	}
	want, linked := make(map[digest.Digest]digest.Digest), make(map[digest.Digest]digest.Digest)
	for id, img := range h.images {
		want[id] = img.parent
		if img.parent != "" {
			linked[id] = img.parent
		}
	}
	equal(t, "parents", parents, want)
	equal(t, "children", children, linked)
}

func equal(t *rapid.T, what string, got, want any) {
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: got + where - is wanted:\n%s", what, diff)
	}
}
