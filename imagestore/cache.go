package imagestore

import (
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// A cache has the records that a transaction has read or written, decoded: a
// deletion is planned and then carried out in one transaction, and meets each
// record twice, and the layers of a common base with every image. It grows with
// what the transaction touches. The zero cache keeps nothing: a transaction
// that only reads meets each record once.
type cache struct {
	images   map[digest.Digest]Image
	layers   map[digest.Digest]Layer
	contents map[digest.Digest]Content
}

func newCache() cache {
	return cache{
		images:   make(map[digest.Digest]Image),
		layers:   make(map[digest.Digest]Layer),
		contents: make(map[digest.Digest]Content),
	}
}

// image returns a record that the caller may change.
func (c cache) image(id digest.Digest) (Image, bool) {
	img, ok := c.images[id]
	img.Content = slices.Clone(img.Content)
	img.Labels = maps.Clone(img.Labels)
	return img, ok
}

func (c cache) keepImage(img Image) {
	if c.images != nil {
		img.Content = slices.Clone(img.Content)
		img.Labels = maps.Clone(img.Labels)
		c.images[img.ID] = img
	}
}

// layer returns a record that the caller may change.
func (c cache) layer(chainID digest.Digest) (Layer, bool) {
	l, ok := c.layers[chainID]
	l.Content = slices.Clone(l.Content)
	return l, ok
}

func (c cache) keepLayer(l Layer) {
	if c.layers != nil {
		l.Content = slices.Clone(l.Content)
		c.layers[l.ChainID] = l
	}
}

func (c cache) keepContent(content Content) {
	if c.contents != nil {
		c.contents[content.Digest] = content
	}
}
