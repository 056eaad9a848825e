package imagestore

import (
	"maps"
	"slices"

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
	linked        *Image // all of one that has manifests or is about another; else nil
}

func newCache() cache {
	return cache{layers: make(map[digest.Digest]*Layer), contents: make(map[digest.Digest]Content)}
}

func (c cache) keepImage(img Image) {
	if c.images != nil {
		c.images[img.ID] = img.bonds()
	}
}

// bonds returns those of the image.
func (img Image) bonds() *bonds {
	b := &bonds{parent: img.Parent, layer: img.Layer, content: img.Content}
	if img.linked() {
		b.linked = &img
	}
	return b
}

// image returns the image as far as it is tied to others, its content by digest
// alone.
func (b *bonds) image(id digest.Digest) Image {
	if b.linked != nil {
		return *b.linked
	}
	return Image{ID: id, Parent: b.parent, Layer: b.layer, Content: b.content}
}

// linked reports whether the image has manifests, or is about another.
func (img Image) linked() bool {
	return img.Manifest != "" || img.Subject != "" || img.Manifests != nil
}

// clone returns a copy that shares nothing which changes.
func (img Image) clone() Image {
	img.Content = slices.Clone(img.Content)
	img.Labels = maps.Clone(img.Labels)
	img.Manifests = slices.Clone(img.Manifests)
	for i := range img.Manifests {
		img.Manifests[i].Content = slices.Clone(img.Manifests[i].Content)
	}
	return img
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
