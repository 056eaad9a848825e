package ocilayout

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

var _ jettison.PlatformStore = images{}

// Without returns the image that removing these of its manifests would make.
func (s images) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	made, err := s.without(ctx, id, manifests)
	if err != nil {
		return imagestore.Image{}, err
	}
	if made.desc.Digest == id {
		return s.Get(ctx, id)
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
	var removed imagestore.Removed
	if made.desc.Digest != id {
		removed, err = s.tx.replace(ctx, made)
	}
	if err != nil {
		return imagestore.Image{}, imagestore.Removed{}, err
	}
	record, err := s.Get(ctx, made.desc.Digest)
	return record, removed, err
}

// A rewritten is an index without some of its manifests.
type rewritten struct {
	old  *image
	desc ocispec.Descriptor // of the new index
	made []fresh            // it, and those nested in it that changed
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
	if img.damage != nil {
		return nil, &imagestore.UnreadableError{ID: id, Err: img.damage}
	}
	if len(img.trees) == 0 || img.trees[0].root.index == nil {
		return nil, class.Errorf(class.InvalidArgument, "image %s is no index of several platforms", id)
	}
	if err := img.check(manifests); err != nil {
		return nil, err
	}
	return s.tx.rewrite(ctx, img, manifests)
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
// it.
func (g *graph) rewrite(ctx context.Context, img *image, manifests []digest.Digest) (*rewritten, error) {
	docs := make(map[digest.Digest][]byte)
	descs := make(map[digest.Digest]ocispec.Descriptor)
	for _, n := range img.trees[0].nodes {
		if n.index == nil {
			continue
		}
		data, err := g.document(ctx, n.desc)
		if err != nil {
			return nil, err
		}
		docs[n.desc.Digest], descs[n.desc.Digest] = data, n.desc
	}
	root := img.trees[0].root.desc
	left, err := indexdoc.Without(root.Digest, docs, manifests)
	if err == nil && len(left) == 0 {
		err = errors.New("nothing would be left")
	}
	if err != nil { // it was read as an index that lists others too
		return nil, class.Wrap(class.Internal, err)
	}
	r := &rewritten{old: img, desc: root}
	r.desc.Digest, r.desc.Size = left[0].Digest, int64(len(left[0].Data))
	for _, doc := range left {
		if docs[doc.Digest] != nil {
			continue // it is as it was
		}
		desc := descs[doc.Was]
		desc.Digest, desc.Size = doc.Digest, int64(len(doc.Data))
		n, err := parseNode(desc, doc.Data)
		if err != nil {
			return nil, class.Wrap(class.Internal, err)
		}
		r.made = append(r.made, fresh{n, doc.Data})
	}
	return r, nil
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
	for _, f := range made.made {
		g.fresh[f.node.desc.Digest] = f
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
	tops := topsOf(record)
	for i, top := range tops {
		for chain := range g.below(top) {
			if later.layers[chain] != nil || g.isBelow(tops[i+1:], chain) { // it goes with the last that holds it (D12)
				break
			}
			gone.Layers = append(gone.Layers, *g.layers[chain])
			lose(g.layers[chain].Content)
		}
	}
	return gone
}

// below are the chain IDs of a layer and of those under it, top to base.
func (g *graph) below(top digest.Digest) iter.Seq[digest.Digest] {
	return func(yield func(digest.Digest) bool) {
		for chain := top; g.layers[chain] != nil && yield(chain); {
			chain = g.layers[chain].Parent
		}
	}
}

// isBelow reports whether the chain is that of one of the layers, or of one under it.
func (g *graph) isBelow(tops []digest.Digest, chain digest.Digest) bool {
	return slices.ContainsFunc(tops, func(top digest.Digest) bool {
		for below := range g.below(top) {
			if below == chain {
				return true
			}
		}
		return false
	})
}
