package jettison

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// replacements are the indexes that other ones will have taken the place of
// (rule M2), as an overlay knows them. The zero value has none.
type replacements struct {
	made    map[digest.Digest]imagestore.Image       // new images, by ID
	by      map[digest.Digest]digest.Digest          // what an index becomes
	origins map[digest.Digest][]digest.Digest        // what an image was
	lost    map[digest.Digest]map[digest.Digest]bool // what of an index is gone: its ID and manifests
}

// now is the ID of what an image will be.
func (r replacements) now(id digest.Digest) digest.Digest {
	for next, ok := r.by[id]; ok; next, ok = r.by[id] {
		id = next
	}
	return id
}

// search adds the new images whose ID begins with prefix to those found.
func (r replacements) search(ids []digest.Digest, prefix string) []digest.Digest {
	for id := range r.made {
		if !slices.Contains(ids, id) && (strings.HasPrefix(id.String(), prefix) || strings.HasPrefix(id.Encoded(), prefix)) {
			ids = append(slices.Clone(ids), id)
			slices.Sort(ids)
		}
	}
	return ids
}

// add notes that next, which others made or which was there, takes the place of
// the index.
func (r *replacements) add(index, next imagestore.Image, without []digest.Digest) {
	if r.by == nil {
		r.made = make(map[digest.Digest]imagestore.Image)
		r.by = make(map[digest.Digest]digest.Digest)
		r.origins = make(map[digest.Digest][]digest.Digest)
		r.lost = make(map[digest.Digest]map[digest.Digest]bool)
	}
	r.made[next.ID] = next
	r.by[index.ID] = next.ID
	r.origins[next.ID] = append(append(r.origins[next.ID], index.ID), r.origins[index.ID]...)
	r.lost[index.ID] = map[digest.Digest]bool{index.ID: true}
	for _, manifest := range without {
		r.lost[index.ID][manifest] = true
	}
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
	next, err := o.indexes.Without(ctx, index.ID, without)
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
	o.replaced.add(index, next, without)
	removed, err := o.release(ctx, gone)
	return next, removed, err
}

// untouched reports whether a digest that an image is about was not lost when an
// index was replaced.
func (r replacements) untouched(index digest.Digest, about []digest.Digest) bool {
	return slices.ContainsFunc(about, func(dgst digest.Digest) bool { return !r.lost[index][dgst] })
}
