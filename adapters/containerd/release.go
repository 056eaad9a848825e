package containerd

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// record is a piece of content with its holders.
func (b *blob) record() imagestore.Content {
	return imagestore.Content{Digest: b.digest, Size: b.size, Holders: b.holders}
}

// release foretells what nothing holds once an image is gone, top to base.
func (s *state) release(ctx context.Context, o owned) (imagestore.Removed, error) {
	var gone imagestore.Removed
	lost := make(map[*blob]int)
	lose := func(b *blob) {
		lost[b]++
		if c := b.record(); c.Holders-lost[b] == 0 {
			c.Holders = 0
			gone.Content = append(gone.Content, c)
		}
	}
	for _, b := range slices.Backward(o.content) {
		lose(b)
	}
	holders := make(map[*layer]int)
	for _, top := range o.tops {
		for l := top; l != nil; l = l.below {
			holders[l]++
			if l.Holders-holders[l] > 0 {
				break
			}
			record, err := s.layerRecord(ctx, l)
			if err != nil {
				return imagestore.Removed{}, err
			}
			record.Holders = 0
			gone.Layers = append(gone.Layers, record)
			if l.content != nil {
				lose(l.content)
			}
			for _, c := range record.Content {
				if c.Digest == l.ChainID { // what the snapshot takes
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
	g.owned[id].hold(-1)
	delete(g.owned, id)
	for _, record := range gone.Layers {
		l := g.layers[record.ChainID]
		if l.below != nil {
			l.below.Holders--
		}
		if l.content != nil {
			l.content.holders--
		}
		s.reported = append(s.reported, l.ChainID)
	}
	for _, c := range gone.Content {
		if s.graph.blobs[c.Digest] != nil {
			s.reported = append(s.reported, c.Digest)
		}
	}
}
