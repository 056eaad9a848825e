package ocilayout

import (
	"context"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/readers"
)

// maxDepth is how deep indexes may be nested in one another.
const maxDepth = 8

var errTooDeep = errors.Errorf("indexes are nested more than %d deep", maxDepth)

// A tree is what a descriptor leads to: one manifest, or an index with all that
// it lists.
type tree struct {
	root *node
	// nodes are the root and all below it that could be read.
	nodes []*node
	// leaves are the manifests, in the order of the indexes, each once.
	leaves []leaf
	// damage are the errors of what could not be read below the root.
	damage []error
	// walked are the indexes and manifests that were come by.
	walked map[digest.Digest]bool
}

// A leaf is a manifest in the list of an index.
type leaf struct {
	// desc is the descriptor in that list.
	desc ocispec.Descriptor
	// node is nil when the layout does not have the manifest, or it is damaged.
	node *node
}

// grow reads what a descriptor leads to. What an index lists and the layout
// does not have is left out: tools copy single platforms so. What is damaged
// below the root is noted in the tree, and the rest is read all the same: other
// tools can read it, so its blobs are needed.
func (g *graph) grow(ctx context.Context, desc ocispec.Descriptor) (*tree, error) {
	root, err := g.node(ctx, desc)
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, walked: make(map[digest.Digest]bool)}
	return t, t.add(ctx, g, leaf{desc, root}, maxDepth)
}

// add adds what a descriptor leads to, a leaf for one that leads nowhere. A
// digest cannot list itself, not even in a roundabout way, so the walk ends; the
// depth bounds it all the same. What is listed several times is come by once:
// eight indexes that list each other many times over would take for ever. The
// error is not about a blob.
func (t *tree) add(ctx context.Context, g *graph, l leaf, depth int) error {
	if t.walked[l.desc.Digest] {
		return nil
	}
	t.walked[l.desc.Digest] = true
	if l.node == nil || l.node.index == nil {
		t.leaves = append(t.leaves, l)
	}
	if l.node == nil {
		return nil
	}
	t.nodes = append(t.nodes, l.node)
	if l.node.index == nil {
		return nil
	}
	if depth == 0 {
		t.damage = append(t.damage, &BlobError{Digest: l.desc.Digest, Err: errTooDeep})
		return nil
	}
	for _, e := range l.node.index.entries {
		child, err := g.node(ctx, e.desc)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			child = nil
		case isBlobError(err):
			child, t.damage = nil, append(t.damage, err)
		case err != nil:
			return err
		}
		if err := t.add(ctx, g, leaf{e.desc, child}, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether the tree has a manifest or an index of this digest.
func (t *tree) has(blob digest.Digest) bool {
	for _, n := range t.nodes {
		if n.desc.Digest == blob {
			return true
		}
	}
	return false
}

// hides reports whether an error about a manifest or an index leaves open what
// that needs: it may be whole, and other tools or other users may read it. Only
// what is missing, altered or cannot be found by its digest is lost to all.
func hides(err error) bool {
	for _, lost := range []error{fs.ErrNotExist, readers.ErrAltered, digest.ErrDigestInvalidFormat, digest.ErrDigestInvalidLength} {
		if errors.Is(err, lost) {
			return false
		}
	}
	return true
}
