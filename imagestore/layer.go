package imagestore

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// Layer returns the record of the layer with this chain ID, with the number of
// its holders. Errors are those of [Store.Get].
func (s *Store) Layer(ctx context.Context, chainID digest.Digest) (Layer, error) {
	l, err := s.layer(ctx, chainID)
	if err != nil {
		return Layer{}, err
	}
	return s.withLayerContent(ctx, *l)
}

// withLayerContent completes the content of a layer with sizes and holders.
func (s *Store) withLayerContent(ctx context.Context, l Layer) (Layer, error) {
	content, err := s.fill(ctx, l.ChainID, l.Content)
	if err != nil {
		return Layer{}, err
	}
	l.Content = content
	return l, nil
}

// Layers yields every layer, sorted by chain ID. Errors are those of
// [Store.All].
func (s *Store) Layers(ctx context.Context) iter.Seq2[Layer, error] {
	return walk(ctx, s.r, layerPrefix, func(key, value []byte) (Layer, error) {
		l, err := decodeLayer(key, value)
		if err != nil {
			return Layer{}, err
		}
		return s.withLayerContent(ctx, l)
	})
}

// layer returns the record of a layer as it is stored, its content by digest
// alone. Whoever changes the holders writes the record; the content is not to
// be changed.
func (s *Store) layer(ctx context.Context, chainID digest.Digest) (*Layer, error) {
	if l, ok := s.cache.layers[chainID]; ok {
		return l, ctx.Err()
	}
	key := s.layerKey(chainID)
	value, err := s.r.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, class.Errorf(class.NotFound, "layer %s does not exist", chainID)
	}
	if err != nil {
		return nil, err
	}
	l, err := readLayer(chainID, key, value)
	if err != nil {
		return nil, err
	}
	s.cache.keepLayer(&l)
	return &l, nil
}

// putLayer writes the record of a layer.
func (s *Store) putLayer(ctx context.Context, l *Layer) error {
	key := s.layerKey(l.ChainID)
	s.cache.keepLayer(l)
	return s.tx.Put(ctx, key, encodeLayer(key, *l))
}

// dropLayer removes the record of a layer.
func (s *Store) dropLayer(ctx context.Context, chainID digest.Digest) error {
	delete(s.cache.layers, chainID)
	return s.tx.Delete(ctx, s.layerKey(chainID))
}

// A chain is the layers of an image to be, base to top.
type chain []chainLink

// A chainLink is a layer of a chain with the content to keep for it, if any.
type chainLink struct {
	layer   Layer
	content []ocispec.Descriptor
}

// newChain computes the chain IDs of layers. There is content for each layer or
// for none.
func newChain(diffIDs []digest.Digest, content []ocispec.Descriptor) chain {
	links := make(chain, len(diffIDs))
	var below digest.Digest
	for i, id := range identity.ChainIDs(slices.Clone(diffIDs)) {
		links[i].layer = Layer{ChainID: id, DiffID: diffIDs[i], Parent: below}
		if len(content) > 0 {
			links[i].content = content[i : i+1]
		}
		below = id
	}
	return links
}

// top is the chain ID of the topmost layer, or empty.
func (c chain) top() digest.Digest {
	if len(c) == 0 {
		return ""
	}
	return c[len(c)-1].layer.ChainID
}

// holdChain adds a holder to the topmost layer of the chain, making those that
// are not there, and returns all content of the chain.
//
// Going down, each layer that is made holds the one below; the first that is
// there holds all the rest already.
func (s *Store) holdChain(ctx context.Context, links chain) ([]Content, error) {
	var all []Content
	held := false
	for _, link := range slices.Backward(links) {
		l, err := s.layer(ctx, link.layer.ChainID)
		switch {
		case err == nil && held:
		case err == nil:
			held = true
			l.Holders++
			err = s.putLayer(ctx, l)
		case errors.Is(err, class.NotFound) && !held:
			l, err = s.addLayer(ctx, link)
		case errors.Is(err, class.NotFound):
			id := link.layer.ChainID
			err = missing(id, s.layerKey(id))
		}
		if err != nil {
			return nil, err
		}
		all = append(all, l.Content...)
	}
	return all, nil
}

// addLayer makes a layer with one holder.
func (s *Store) addLayer(ctx context.Context, new chainLink) (*Layer, error) {
	l := new.layer
	l.Holders = 1
	var err error
	if l.Content, err = s.hold(ctx, new.content...); err != nil {
		return nil, err
	}
	return &l, s.putLayer(ctx, &l)
}

// releaseChain takes a holder from the layer and adds to removed what goes, from
// there down to the first layer that something else holds. A layer whose record
// is missing or unreadable ends the walk: what it held cannot be known.
func (s *Store) releaseChain(ctx context.Context, chainID digest.Digest, removed *Removed) error {
	for chainID != "" {
		l, err := s.layer(ctx, chainID)
		if err == nil {
			err = s.releaseLayer(ctx, l, removed)
		}
		if errors.Is(err, class.NotFound) || unreadable(err) {
			return nil
		}
		if err != nil || l.Holders > 0 {
			return err
		}
		chainID = l.Parent
	}
	return nil
}

// releaseLayer takes a holder from the layer, and removes it when that was the
// last. One whose content is unreadable stays, without holders, and the error
// says so.
func (s *Store) releaseLayer(ctx context.Context, l *Layer, removed *Removed) error {
	l.Holders = max(l.Holders-1, 0)
	if l.Holders > 0 {
		return s.putLayer(ctx, l)
	}
	full, err := s.withLayerContent(ctx, *l)
	if err != nil {
		if err := s.putLayer(ctx, l); err != nil {
			return err
		}
		return err
	}
	if err := s.release(ctx, full.Content, removed); err != nil {
		return err
	}
	removed.Layers = append(removed.Layers, full)
	return s.dropLayer(ctx, l.ChainID)
}
