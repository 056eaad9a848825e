package ocilayout

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// release takes what an image holds from the counts, and returns what nothing
// else holds.
func (g *graph) release(record imagestore.Image) imagestore.Removed {
	var gone imagestore.Removed
	g.releaseContent(record.Content, &gone)
	for _, top := range topsOf(record) {
		g.releaseChain(top, &gone)
	}
	return gone
}

// topsOf are the topmost layers of an image, each once.
func topsOf(record imagestore.Image) []digest.Digest {
	tops := []digest.Digest{record.Layer}
	for _, m := range record.Manifests {
		tops = append(tops, m.Layer)
	}
	var found []digest.Digest
	for _, top := range tops {
		if top != "" && !slices.Contains(found, top) {
			found = append(found, top)
		}
	}
	return found
}

func (g *graph) releaseChain(chain digest.Digest, gone *imagestore.Removed) {
	for chain != "" {
		layer := g.layers[chain]
		if layer == nil {
			return
		}
		if layer.Holders--; layer.Holders > 0 {
			return
		}
		delete(g.layers, chain)
		removed := *layer
		removed.Content = g.contents(layer.Content)
		gone.Layers = append(gone.Layers, removed)
		g.releaseContent(layer.Content, gone)
		chain = layer.Parent
	}
}

func (g *graph) releaseContent(held []imagestore.Content, gone *imagestore.Removed) {
	for _, c := range held {
		now := g.content[c.Digest]
		if now == nil {
			continue
		}
		if now.Holders--; now.Holders > 0 {
			continue
		}
		delete(g.content, c.Digest)
		if !g.opaque {
			gone.Content = append(gone.Content, g.measured(now))
		}
	}
}
