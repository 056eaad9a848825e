package compare

import (
	"slices"

	"github.com/docker/docker/layer"
	"github.com/opencontainers/go-digest"
)

// layers is a layer store for Docker's image store, which only gets and
// releases layers. It counts as Docker's own layer store does, and holds no
// files.
type layers map[layer.ChainID]*countedLayer

// A countedLayer is a layer with the number of its holders.
type countedLayer struct {
	layer.Layer // never called

	chain   layer.ChainID
	diff    layer.DiffID
	below   *countedLayer
	holders int
}

func (l *countedLayer) ChainID() layer.ChainID { return l.chain }
func (l *countedLayer) DiffID() layer.DiffID   { return l.diff }
func (l *countedLayer) DiffSize() int64        { return LayerSize(digest.Digest(l.diff)) }

// mappedLayers is a layer store for Docker's prune, which only asks for all
// layers.
type mappedLayers struct {
	layer.Store // never called

	layers layers
}

// Map returns all layers.
func (m mappedLayers) Map() map[layer.ChainID]layer.Layer {
	all := make(map[layer.ChainID]layer.Layer, len(m.layers))
	for id, l := range m.layers {
		all[id] = l
	}
	return all
}

// register adds the layers of an image, without a holder for the topmost.
func (ls layers) register(img Image) {
	var below *countedLayer
	for i, chain := range img.ChainIDs() {
		id := layer.ChainID(chain)
		if ls[id] == nil {
			ls[id] = &countedLayer{chain: id, diff: layer.DiffID(img.DiffIDs[i]), below: below}
			if below != nil {
				below.holders++
			}
		}
		below = ls[id]
	}
}

// Get returns a layer and holds it.
func (ls layers) Get(id layer.ChainID) (layer.Layer, error) {
	l := ls[id]
	if l == nil {
		return nil, layer.ErrLayerDoesNotExist
	}
	l.holders++
	return l, nil
}

// Release gives up a hold and removes what nothing holds any more, top to base.
func (ls layers) Release(held layer.Layer) ([]layer.Metadata, error) {
	var removed []layer.Metadata
	for l := ls[held.ChainID()]; l != nil; l = l.below {
		if l.holders--; l.holders > 0 {
			break
		}
		delete(ls, l.chain)
		removed = append(removed, layer.Metadata{ChainID: l.chain, DiffID: l.diff})
	}
	return removed, nil
}

// counts returns the number of holders of each layer.
func (ls layers) counts() map[digest.Digest]int {
	counts := make(map[digest.Digest]int, len(ls))
	for id, l := range ls {
		counts[digest.Digest(id)] = l.holders
	}
	return counts
}

// sortedIDs returns ids in order; nil when there are none.
func sortedIDs[T ~string](ids []T) []digest.Digest {
	var sorted []digest.Digest
	for _, id := range ids {
		sorted = append(sorted, digest.Digest(id))
	}
	slices.Sort(sorted)
	return sorted
}
