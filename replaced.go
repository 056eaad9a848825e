package jettison

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// replacements are the indexes that other ones will have taken the place of
// (rule M2), as an overlay knows them. The zero value has none.
type replacements struct {
	made    map[digest.Digest]imagestore.Image // new images, by ID
	by      map[digest.Digest]digest.Digest    // what an index becomes
	origins map[digest.Digest][]digest.Digest  // what an image was
}

// now is the ID of what an image will be.
func (r replacements) now(id digest.Digest) digest.Digest {
	for next, ok := r.by[id]; ok; next, ok = r.by[id] {
		id = next
	}
	return id
}

// isNew reports whether the image took the place of an index.
func (r replacements) isNew(id digest.Digest) bool {
	_, ok := r.made[id]
	return ok
}

// become are the IDs of what images will be, sorted.
func (r replacements) become(ids []digest.Digest) []digest.Digest {
	if len(r.made) == 0 {
		return ids
	}
	ids = slices.Clone(ids)
	for i, id := range ids {
		ids[i] = r.now(id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// among adds the new images to others, which come sorted.
func (r replacements) among(ids []digest.Digest) []digest.Digest {
	if len(r.made) == 0 {
		return ids
	}
	ids = slices.AppendSeq(slices.Clone(ids), maps.Keys(r.made))
	slices.Sort(ids)
	return slices.Compact(ids)
}

// search adds the new images whose ID begins with prefix to those found.
func (r replacements) search(ids []digest.Digest, prefix string) []digest.Digest {
	for id := range r.made {
		if !slices.Contains(ids, id) && imagestore.HasPrefix(id, prefix) {
			ids = append(slices.Clone(ids), id)
			slices.Sort(ids)
		}
	}
	return ids
}

// add notes that next, which others made or which was there, takes the place of
// the index.
func (r *replacements) add(index, next imagestore.Image) {
	if r.by == nil {
		r.made = make(map[digest.Digest]imagestore.Image)
		r.by = make(map[digest.Digest]digest.Digest)
		r.origins = make(map[digest.Digest][]digest.Digest)
	}
	r.made[next.ID] = next
	r.by[index.ID] = next.ID
	r.origins[next.ID] = append(append(r.origins[next.ID], index.ID), r.origins[index.ID]...)
}

// eachOrigin gathers what the stores have for an image and for those that it
// took the place of, sorted.
func eachOrigin[T interface{ String() string }](o *overlay, id digest.Digest, ask func(digest.Digest) ([]T, error)) ([]T, error) {
	found, err := ask(id)
	origins := o.replaced.origins[id]
	if err != nil || len(origins) == 0 {
		return found, err
	}
	found = slices.Clone(found)
	for _, origin := range origins {
		more, err := ask(origin)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.SortFunc(found, func(a, b T) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(found, func(a, b T) bool { return a.String() == b.String() }), nil
}

// replaceIndex notes that the index will be without these manifests, and returns
// what it becomes and what goes.
func (o *overlay) replaceIndex(ctx context.Context, index imagestore.Image, without []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	next, err := o.stores.Images.Platforms.Without(ctx, index.ID, without)
	if err != nil {
		return next, imagestore.Removed{}, err
	}
	gone := index
	_, err = o.Image(ctx, next.ID)
	switch {
	case err == nil: // it is there and has its own hold of everything
	case isDamage(err):
		gone = index.Minus(next)
	default:
		return next, imagestore.Removed{}, err
	}
	o.images[next.ID] &^= deleted
	o.images[index.ID] |= deleted
	o.replaced.add(index, next)
	removed, err := o.release(ctx, gone)
	return next, removed, err
}
