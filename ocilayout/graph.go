package ocilayout

import (
	"context"
	"maps"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// A graph is the images of one state of the layout, with what they need.
//
// It is built in two steps, each when it is first asked for: which images there
// are takes the manifests; their records, and how many hold what, take the
// configurations too.
type graph struct {
	*cache
	names *names
	// fresh are blobs that are to be written: the layout does not have them yet.
	fresh map[digest.Digest]fresh

	images map[digest.Digest]*image
	// owner is the image to which the target of an entry belongs.
	owner map[digest.Digest]digest.Digest
	// opaque says that something is there of which nobody knows what it needs, or
	// that other layouts may need the blobs too. Then nothing is known to be needed
	// no more.
	opaque bool

	// about and having are the images that are about a digest, and those that have
	// a manifest or an index of it; nil until somebody asks.
	about, having map[digest.Digest][]digest.Digest

	counted bool
	layers  map[digest.Digest]*imagestore.Layer
	content map[digest.Digest]*imagestore.Content
}

// fresh is an index that was made here.
type fresh struct {
	node *node
	data []byte
}

// node returns a manifest or an index.
func (g *graph) node(ctx context.Context, desc ocispec.Descriptor) (*node, error) {
	if made, ok := g.fresh[desc.Digest]; ok {
		return made.node, nil
	}
	return g.cache.node(ctx, desc)
}

// document returns the bytes of an index.
func (g *graph) document(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if made, ok := g.fresh[desc.Digest]; ok {
		return made.data, nil
	}
	data, _, err := g.read(ctx, desc)
	return data, err
}

// An image is one that index.json lists, under one or several descriptors.
type image struct {
	id digest.Digest
	// trees has one tree for an index, and one for each manifest that has the
	// configuration of the image.
	trees []*tree
	// targets are the digests in the descriptors.
	targets []digest.Digest
	// damage says why the record cannot be read.
	damage error
	record imagestore.Image
}

// identify finds the images.
func (g *graph) identify(ctx context.Context) error {
	if g.images != nil {
		return nil
	}
	g.opaque = g.sharesBlobs()
	images, owner := make(map[digest.Digest]*image), make(map[digest.Digest]digest.Digest)
	for _, e := range g.names.live() {
		target := e.desc.Digest
		if _, known := owner[target]; known {
			continue
		}
		t, err := g.grow(ctx, e.desc)
		if err != nil && !isBlobError(err) {
			return err
		}
		damage := []error{err}
		id := target
		switch {
		case err == nil:
			id = t.root.id()
		case target.Validate() != nil:
			id = digest.FromBytes(e.raw) // an ID that others can work with
		}
		img := images[id]
		if img == nil {
			img = &image{id: id}
			images[id] = img
		}
		owner[target] = id
		img.targets = append(img.targets, target)
		if err == nil {
			img.trees = append(img.trees, t)
			damage = t.damage
		}
		for _, err := range damage {
			img.damage = err
			g.opaque = g.opaque || hides(err)
		}
	}
	g.images, g.owner = images, owner
	return nil
}

// forget drops what was found out, after the entries have changed.
func (g *graph) forget() {
	g.images, g.owner, g.counted, g.opaque = nil, nil, false, false
	g.about, g.having = nil, nil
}

// image returns an image, or nil.
func (g *graph) image(ctx context.Context, id digest.Digest) (*image, error) {
	if err := g.identify(ctx); err != nil {
		return nil, err
	}
	return g.images[id], nil
}

// ids are those of all images, sorted.
func (g *graph) ids() []digest.Digest { return slices.Sorted(maps.Keys(g.images)) }

// count makes the records of all images and counts what they hold.
func (g *graph) count(ctx context.Context) error {
	if g.counted {
		return nil
	}
	if err := g.identify(ctx); err != nil {
		return err
	}
	g.layers = make(map[digest.Digest]*imagestore.Layer)
	g.content = make(map[digest.Digest]*imagestore.Content)
	for _, id := range g.ids() {
		if err := g.countImage(ctx, g.images[id]); err != nil {
			return err
		}
	}
	g.counted = true
	return nil
}

// countImage makes the record of an image. What is damaged holds as much as can
// be known of it.
func (g *graph) countImage(ctx context.Context, img *image) error {
	b := builder{graph: g}
	b.record.ID = img.id
	for _, t := range img.trees {
		if err := b.addTree(ctx, t); err != nil {
			if !isBlobError(err) {
				return err
			}
			img.damage = err
		}
	}
	img.record = b.finish()
	return nil
}

// A builder makes the record of one image.
type builder struct {
	*graph
	record imagestore.Image
	own    []digest.Digest // the content of the image itself
	tops   []digest.Digest // the topmost layers
}

// addTree adds a manifest, or an index with all that it lists. The error is the
// first of a blob that is damaged; all else is added.
func (b *builder) addTree(ctx context.Context, t *tree) error {
	for _, n := range t.nodes {
		if n.index == nil {
			continue
		}
		b.keep(n.desc)
		if n != t.root {
			b.record.Indexes = append(b.record.Indexes, n.desc.Digest)
		}
	}
	slices.Sort(b.record.Indexes)
	b.record.Subject = t.root.subject
	if !t.root.isImage() {
		b.record.Created = t.root.created
	}
	shared := indexdoc.NewShared(t.root.created)
	var damage error
	for _, l := range t.leaves {
		m, cfg, err := b.addLeaf(ctx, l)
		if err != nil && !isBlobError(err) {
			return err
		}
		if damage == nil {
			damage = err
		}
		if t.root.index == nil {
			b.describe(m, cfg)
			continue
		}
		b.record.Manifests = append(b.record.Manifests, m)
		if cfg != nil && l.node.isImage() {
			shared.Add(cfg.OS, cfg.created(), cfg.Config.Labels)
		}
	}
	if t.root.index != nil {
		b.record.Created, b.record.Labels = shared.Created, shared.Labels
	}
	return damage
}

// addLeaf adds a manifest with its configuration and its layers.
func (b *builder) addLeaf(ctx context.Context, l leaf) (imagestore.Manifest, *config, error) {
	m := imagestore.Manifest{
		Digest:  l.desc.Digest,
		Subject: digest.Digest(l.desc.Annotations[annotationSubject]),
	}
	if l.desc.Platform != nil {
		m.Platform = *l.desc.Platform
	}
	n := l.node
	if n == nil {
		return m, nil, nil
	}
	before := len(b.own)
	if n.config != nil {
		b.keep(*n.config)
	}
	b.keep(n.desc)
	for _, c := range b.own[before:] {
		m.Content = append(m.Content, imagestore.Content{Digest: c})
	}
	cfg, err := b.config(ctx, n)
	if cfg != nil && l.desc.Platform == nil {
		m.Platform = cfg.Platform
		if len(cfg.OSFeatures) == 0 {
			m.Platform.OSFeatures = nil
		}
	}
	m.Layer = b.addLayers(n, cfg)
	return m, cfg, err
}

// addLayers adds the layers of a manifest and returns the chain ID of the
// topmost. A blob that is not that of the layer of the same chain ID, because it
// is compressed in another way, or one of which no chain ID is known, is the
// image's own content.
func (b *builder) addLayers(n *node, cfg *config) digest.Digest {
	chains := cfg.chains(len(n.layers))
	if chains == nil {
		for _, desc := range n.layers {
			b.keep(desc)
		}
		return ""
	}
	var below digest.Digest
	for i, chain := range chains {
		layer := b.layers[chain]
		switch {
		case layer == nil:
			b.addLayer(imagestore.Layer{ChainID: chain, DiffID: cfg.RootFS.DiffIDs[i], Parent: below}, n.layers[i])
		case layer.Content[0].Digest != n.layers[i].Digest:
			b.keep(n.layers[i])
		}
		below = chain
	}
	if !slices.Contains(b.tops, below) {
		b.tops = append(b.tops, below)
	}
	return below
}

func (g *graph) addLayer(layer imagestore.Layer, desc ocispec.Descriptor) {
	layer.Content = []imagestore.Content{{Digest: desc.Digest}}
	g.hold(desc)
	g.layers[layer.ChainID] = &layer
	if below := g.layers[layer.Parent]; below != nil {
		below.Holders++
	}
}

// keep notes a blob that the image itself holds, once.
func (b *builder) keep(desc ocispec.Descriptor) {
	if slices.Contains(b.own, desc.Digest) {
		return
	}
	b.own = append(b.own, desc.Digest)
	b.hold(desc)
}

// hold counts one more holder of a blob.
func (g *graph) hold(desc ocispec.Descriptor) {
	c := g.content[desc.Digest]
	if c == nil {
		c = &imagestore.Content{Digest: desc.Digest, Size: unknown}
		g.content[desc.Digest] = c
	}
	c.Holders++
}

// unknown is the size of a blob at which nobody has looked.
const unknown = -1

// measured returns a piece of content with its size.
func (g *graph) measured(c *imagestore.Content) imagestore.Content {
	if c.Size == unknown {
		c.Size = g.sizeOf(c.Digest)
	}
	return *c
}

// sizeOf is the number of bytes that a blob takes: what its descriptor says may
// be wrong, and layers for other hosts need not be there.
func (g *graph) sizeOf(blob digest.Digest) int64 {
	if made, ok := g.fresh[blob]; ok {
		return int64(len(made.data))
	}
	path, err := g.path(blob)
	if err != nil {
		return 0
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// finish completes the record.
func (b *builder) finish() imagestore.Image {
	for _, top := range b.tops {
		b.layers[top].Holders++
	}
	for _, c := range b.own {
		b.record.Content = append(b.record.Content, imagestore.Content{Digest: c})
	}
	return b.record
}
