package podman

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// parent returns the ID of the image that this one was built from, as Podman
// finds it, or nothing: the first in the order of the store with the same topmost
// layer, then the first with the layer below that as topmost, whose layers and
// history are the beginning of this one's, which has one step more. Images without
// layers are each other's candidates. A list has no parent, nor has an image
// whose configuration cannot be read.
func (st *state) parent(ctx context.Context, img *image) (digest.Digest, error) {
	if id, ok := st.parents[img.id]; ok {
		return id, nil
	}
	child, err := st.config(ctx, img)
	if err != nil {
		return "", err
	}
	var found digest.Digest
	if child != nil && !child.list && len(child.history) > 0 {
		if found, err = st.firstParent(ctx, img, child); err != nil {
			return "", err
		}
	}
	st.parents[img.id] = found
	return found, nil
}

func (st *state) firstParent(ctx context.Context, img *image, child *config) (digest.Digest, error) {
	for _, candidate := range st.above(img) {
		if candidate == img {
			continue
		}
		parent, err := st.config(ctx, candidate)
		if class.Is(err, class.NotFound) {
			continue // another's deletion came in between
		}
		if err != nil {
			return "", err
		}
		if parent != nil && parent.isParentOf(child) {
			return candidate.id, nil
		}
	}
	return "", nil
}

// above are the images among which the parent is.
func (st *state) above(img *image) []*image {
	if img.TopLayer == "" {
		return st.layers.none
	}
	top := st.layers.top(img)
	if top == nil {
		return nil
	}
	if top.below == nil {
		return top.images
	}
	return slices.Concat(top.images, top.below.images)
}

// below are the images among which the children are.
func (st *state) below(img *image) []*image {
	if img.TopLayer == "" {
		return st.layers.none
	}
	top := st.layers.top(img)
	if top == nil {
		return nil
	}
	candidates := slices.Clone(top.images)
	for _, next := range top.children {
		candidates = append(candidates, next.images...)
	}
	return candidates
}

// children returns the IDs of the images whose parent the image is, sorted.
func (st *state) children(ctx context.Context, img *image) ([]digest.Digest, error) {
	var found []digest.Digest
	for _, candidate := range st.below(img) {
		if candidate == img {
			continue
		}
		parent, err := st.parent(ctx, candidate)
		if class.Is(err, class.NotFound) {
			continue // another's deletion came in between
		}
		if err != nil {
			return nil, err
		}
		if parent == img.id {
			found = append(found, candidate.id)
		}
	}
	slices.Sort(found)
	return found, nil
}

// isParentOf reports whether the layers and the history are the beginning of the
// child's, which has one step more.
func (c *config) isParentOf(child *config) bool {
	return !c.list && !child.list &&
		len(c.history)+1 == len(child.history) && len(c.diffIDs) <= len(child.diffIDs) &&
		slices.Equal(c.diffIDs, child.diffIDs[:len(c.diffIDs)]) &&
		slices.EqualFunc(c.history, child.history[:len(c.history)], sameStep)
}

// sameStep reports whether two steps of histories are the same.
func sameStep(a, b ocispec.History) bool {
	if (a.Created == nil) != (b.Created == nil) || a.Created != nil && !a.Created.Equal(*b.Created) {
		return false
	}
	return a.CreatedBy == b.CreatedBy && a.Author == b.Author && a.Comment == b.Comment && a.EmptyLayer == b.EmptyLayer
}
