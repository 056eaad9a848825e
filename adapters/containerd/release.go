package containerd

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// content is a piece of content with its holders.
func (g *graph) content(dgst digest.Digest) imagestore.Content {
	c := imagestore.Content{Digest: dgst, Holders: g.held[dgst]}
	if b := g.blobs[dgst]; b != nil {
		c.Size = b.size
	}
	return c
}

// release foretells what nothing holds once an image is gone, top to base.
func (s *state) release(ctx context.Context, o owned) (imagestore.Removed, error) {
	var gone imagestore.Removed
	g := s.graph
	lost := make(map[digest.Digest]int)
	lose := func(dgst digest.Digest) {
		lost[dgst]++
		if c := g.content(dgst); c.Holders-lost[dgst] == 0 {
			c.Holders = 0
			gone.Content = append(gone.Content, c)
		}
	}
	for _, dgst := range slices.Backward(o.content) {
		lose(dgst)
	}
	holders := make(map[digest.Digest]int)
	for _, top := range o.tops {
		for chain := top; chain != ""; chain = g.layers[chain].Parent {
			holders[chain]++
			if g.layers[chain].Holders-holders[chain] > 0 {
				break
			}
			record, err := s.layerRecord(ctx, g.layers[chain])
			if err != nil {
				return imagestore.Removed{}, err
			}
			record.Holders = 0
			gone.Layers = append(gone.Layers, record)
			if content := g.layers[chain].content; content != "" {
				lose(content)
			}
			for _, c := range record.Content {
				if c.Digest == chain { // what the snapshot takes
					c.Holders = 0
					gone.Content = append(gone.Content, c)
				}
			}
		}
	}
	return gone, nil
}

// forgetOwned takes back the holds of an image that is gone, and of the layers
// that went with it.
func (s *state) forgetOwned(id digest.Digest, gone imagestore.Removed) {
	g := s.graph
	g.hold(g.owned[id], -1)
	delete(g.owned, id)
	for _, l := range gone.Layers {
		if below := g.layers[l.Parent]; below != nil {
			below.Holders--
		}
		if content := g.layers[l.ChainID].content; content != "" {
			g.held[content]--
		}
		s.reported = append(s.reported, l.ChainID)
	}
	for _, c := range gone.Content {
		if s.graph.blobs[c.Digest] != nil {
			s.reported = append(s.reported, c.Digest)
		}
	}
}
