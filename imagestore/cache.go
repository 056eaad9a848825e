package imagestore

import (
	"github.com/opencontainers/go-digest"
)

// A cache has what a transaction met and will meet again, decoded, so that a
// record is read once. A deletion is planned and then carried out in one
// transaction: it keeps all it reads or writes, and of images what deleting
// them asks for. A view keeps what several images share. What is in a cache
// leaves this package only as a copy.
type cache struct {
	images   map[digest.Digest]*bonds // nil in a view
	layers   map[digest.Digest]*Layer
	contents map[digest.Digest]Content
}

// bonds are what an image holds and is tied to, its content by digest alone.
type bonds struct {
	parent, layer digest.Digest
	content       []Content
}

func newCache() cache {
	return cache{layers: make(map[digest.Digest]*Layer), contents: make(map[digest.Digest]Content)}
}

func (c cache) keepImage(img Image) {
	if c.images != nil {
		c.images[img.ID] = &bonds{parent: img.Parent, layer: img.Layer, content: img.Content}
	}
}

func (c cache) keepLayer(l *Layer) {
	if c.images != nil || l.Holders > 1 {
		c.layers[l.ChainID] = l
	}
}

func (c cache) keepContent(content Content) {
	if c.images != nil || content.Holders > 1 {
		c.contents[content.Digest] = content
	}
}
