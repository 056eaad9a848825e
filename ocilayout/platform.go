package ocilayout

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

var _ jettison.PlatformStore = images{}

// Without returns the image that removing these of its manifests would make.
func (s images) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	made, err := s.without(ctx, id, manifests)
	if err != nil {
		return imagestore.Image{}, err
	}
	later := &graph{cache: s.tx.cache, names: newNames(&index{entries: s.tx.names.live()}), fresh: maps.Clone(s.tx.fresh)}
	if err := later.replace(made); err != nil {
		return imagestore.Image{}, err
	}
	if err := later.count(ctx); err != nil {
		return imagestore.Image{}, err
	}
	return later.recordOf(later.images[made.desc.Digest])
}

// Replace puts that image in the place of the index.
func (s images) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	if err := s.write(ctx); err != nil {
		return imagestore.Image{}, imagestore.Removed{}, err
	}
	made, err := s.without(ctx, id, manifests)
	if err != nil {
		return imagestore.Image{}, imagestore.Removed{}, err
	}
	removed, err := s.tx.replace(ctx, made)
	if err != nil {
		return imagestore.Image{}, imagestore.Removed{}, err
	}
	record, err := s.Get(ctx, made.desc.Digest)
	return record, removed, err
}

// A rewritten is an index without some of its manifests.
type rewritten struct {
	old   *image
	desc  ocispec.Descriptor // of the new index
	nodes []*node            // it, and those nested in it that changed
	data  [][]byte           // their bytes
}

// without writes the index anew, in memory.
func (s images) without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (*rewritten, error) {
	img, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.tx.count(ctx); err != nil {
		return nil, err
	}
	if len(img.trees) == 0 || img.trees[0].root.index == nil {
		return nil, class.Errorf(class.InvalidArgument, "image %s is no index of several platforms", id)
	}
	if err := img.check(manifests); err != nil {
		return nil, err
	}
	made := &rewritten{old: img}
	made.desc, err = made.rewrite(ctx, s.tx.graph, img.trees[0].root, manifests)
	return made, err
}

// check makes sure that the index lists the manifests, and others too.
func (img *image) check(manifests []digest.Digest) error {
	leaves := img.trees[0].leaves
	for _, m := range manifests {
		if !slices.ContainsFunc(leaves, func(l leaf) bool { return l.desc.Digest == m }) {
			return class.Errorf(class.NotFound, "image %s has no manifest %s", img.id, m)
		}
	}
	if !slices.ContainsFunc(leaves, func(l leaf) bool { return !slices.Contains(manifests, l.desc.Digest) }) {
		return class.Errorf(class.InvalidArgument, "image %s would be left without manifests", img.id)
	}
	return nil
}

// rewrite writes an index without the manifests, and before that those nested in
// it. It returns the descriptor of the new one; that of the old one when nothing
// changes.
func (r *rewritten) rewrite(ctx context.Context, g *graph, n *node, manifests []digest.Digest) (ocispec.Descriptor, error) {
	changed := false
	var entries []entry
	for _, e := range n.index.entries {
		if slices.Contains(manifests, e.desc.Digest) {
			changed = true
			continue
		}
		now, err := r.rewriteEntry(ctx, g, e, manifests)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		if now == nil {
			changed = true
			continue
		}
		changed = changed || now.desc.Digest != e.desc.Digest
		entries = append(entries, *now)
	}
	if !changed {
		return n.desc, nil
	}
	desc := n.desc
	if len(entries) == 0 {
		desc.Size = 0 // nothing is left of it
		return desc, nil
	}
	data := n.index.with(entries)
	desc.Digest, desc.Size = n.desc.Digest.Algorithm().FromBytes(data), int64(len(data))
	made, err := parseNode(desc, data)
	if err != nil {
		return ocispec.Descriptor{}, class.Wrap(class.Internal, err)
	}
	r.nodes, r.data = append(r.nodes, made), append(r.data, data)
	return desc, nil
}

// rewriteEntry is rewrite for what an index lists; nil when nothing is left.
func (r *rewritten) rewriteEntry(ctx context.Context, g *graph, e entry, manifests []digest.Digest) (*entry, error) {
	if !isIndex(e.desc.MediaType) {
		return &e, nil
	}
	n, err := g.node(ctx, e.desc)
	if err != nil {
		return nil, err
	}
	desc, err := r.rewrite(ctx, g, n, manifests)
	if err != nil || desc.Size == 0 {
		return nil, err
	}
	if desc.Digest == e.desc.Digest {
		return &e, nil
	}
	now, err := e.pointing(desc.Digest, desc.Size)
	return &now, err
}

// replace puts the new index in the place of the old one, and returns what
// nothing needs any more.
func (tx *transaction) replace(ctx context.Context, made *rewritten) (imagestore.Removed, error) {
	before := *tx.graph
	tx.changed = true
	if err := tx.graph.replace(made); err != nil {
		return imagestore.Removed{}, err
	}
	if err := tx.count(ctx); err != nil {
		return imagestore.Removed{}, err
	}
	gone := before.lostTo(tx.graph, made.old.record)
	for _, c := range gone.Content {
		tx.gone = append(tx.gone, c.Digest)
	}
	return gone, nil
}

// replace puts the new index in the place of the old one in the list.
func (g *graph) replace(made *rewritten) error {
	err := g.names.replace(made.old.id, func(e entry) (entry, error) { return e.pointing(made.desc.Digest, made.desc.Size) })
	if err != nil {
		return class.Wrap(class.Internal, err)
	}
	for i, n := range made.nodes {
		g.fresh[n.desc.Digest] = fresh{n, made.data[i]}
	}
	g.forget()
	return nil
}

// lostTo returns what an image holds and a later state does not have.
func (g *graph) lostTo(later *graph, record imagestore.Image) imagestore.Removed {
	var gone imagestore.Removed
	lose := func(held []imagestore.Content) {
		for _, c := range held {
			if now := g.content[c.Digest]; now != nil && later.content[c.Digest] == nil && !later.opaque {
				gone.Content = append(gone.Content, g.measured(now))
			}
		}
	}
	lose(record.Content)
	for _, top := range topsOf(record) {
		for chain := top; chain != "" && g.layers[chain] != nil && later.layers[chain] == nil; chain = g.layers[chain].Parent {
			if slices.ContainsFunc(gone.Layers, func(l imagestore.Layer) bool { return l.ChainID == chain }) {
				break
			}
			gone.Layers = append(gone.Layers, *g.layers[chain])
			lose(g.layers[chain].Content)
		}
	}
	return gone
}
