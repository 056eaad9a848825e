package ocilayout

import (
	"context"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
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
	// leaves are the manifests, in the order of the indexes.
	leaves []leaf
}

// A leaf is a manifest in the list of an index.
type leaf struct {
	// desc is the descriptor in that list.
	desc ocispec.Descriptor
	// node is nil when the layout does not have the manifest.
	node *node
}

// grow reads what a descriptor leads to. What an index lists and the layout
// does not have is left out: tools copy single platforms so.
func (g *graph) grow(ctx context.Context, desc ocispec.Descriptor) (*tree, error) {
	root, err := g.node(ctx, desc)
	if err != nil {
		return nil, err
	}
	t := &tree{root: root}
	return t, t.add(ctx, g, leaf{desc, root}, maxDepth)
}

// add adds a node and what it lists. A digest cannot list itself, not even in a
// roundabout way, so the walk ends; the depth bounds it all the same.
func (t *tree) add(ctx context.Context, g *graph, l leaf, depth int) error {
	t.nodes = append(t.nodes, l.node)
	if l.node.index == nil {
		t.leaves = append(t.leaves, l)
		return nil
	}
	if depth == 0 {
		return &BlobError{Digest: l.desc.Digest, Err: errTooDeep}
	}
	for _, e := range l.node.index.entries {
		child, err := g.node(ctx, e.desc)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			t.leaves = append(t.leaves, leaf{desc: e.desc})
		case err != nil:
			return err
		default:
			if err := t.add(ctx, g, leaf{e.desc, child}, depth-1); err != nil {
				return err
			}
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

// hides reports whether an error says that a blob is whole but cannot be
// understood: what it needs is not known then.
func hides(err error) bool {
	var foreign *foreignError
	return errors.As(err, &foreign) || errors.Is(err, errTooDeep) || errors.Is(err, errTooLarge)
}
