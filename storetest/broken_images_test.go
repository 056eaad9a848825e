package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

func brokenImages() []broken {
	return slices.Concat(brokenRecords(), brokenLists(), brokenDeletions())
}

// brokenRecords are stores that read single images wrongly.
func brokenRecords() []broken {
	return []broken{
		breaking("forgets labels", map[string]string{"images/get": "labels and topmost layer"}, func(f *fakes) {
			get := f.images.get
			f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
				img, err := get(ctx, id)
				img.Labels = nil
				return img, err
			}
		}),
		breaking("forgets the own content", map[string]string{"images/content": "Content is its own data"}, func(f *fakes) {
			get := f.images.get
			f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
				img, err := get(ctx, id)
				img.Content = nil
				return img, err
			}
		}),
		breaking("returns nothing for a missing image", map[string]string{
			"images/get missing": "NotFound alone", "images/delete": "no method finds it", "unreadable/get": "UnreadableError",
		}, func(f *fakes) {
			get := f.images.get
			f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
				img, _ := get(ctx, id)
				return img, ctx.Err()
			}
		}),
		breaking("wrong class of error", map[string]string{
			"images/get missing": "NotFound alone", "service/resolve": "NotFound", "service/several": "stops no other",
		}, func(f *fakes) {
			get, ref := f.images.get, f.references.get
			f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
				img, err := get(ctx, id)
				return img, reclass(err)
			}
			f.references.get = func(ctx context.Context, name named) (digest.Digest, error) {
				id, err := ref(ctx, name)
				return id, reclass(err)
			}
		}),
		remembering("hands out its own labels", map[string]string{"images/owned": "belongs to the caller"}, shareLabels),
	}
}

// brokenLists are stores that look for images wrongly.
func brokenLists() []broken {
	return []broken{
		breaking("searches without order", map[string]string{"images/search": "sorted"}, func(f *fakes) {
			f.images.search = reversed(f.images.search)
		}),
		breaking("searches in full IDs only", map[string]string{
			"images/search": "hex alone", "unreadable/search": "its ID is readable", "service/resolve": "first digits",
		}, func(f *fakes) {
			search := f.images.search
			f.images.search = func(ctx context.Context, prefix string) ([]digest.Digest, error) {
				if !strings.HasPrefix(prefix, "sha256:") {
					return nil, ctx.Err()
				}
				return search(ctx, prefix)
			}
		}),
		breaking("children without order", map[string]string{"images/children": "sorted"}, func(f *fakes) {
			f.images.children = reversed(f.images.children)
		}),
		breaking("has no children", map[string]string{
			"images/children": "whose parent it is", "service/conflicts": "children", "service/ancestors": "last child",
		}, func(f *fakes) {
			f.images.children = func(ctx context.Context, _ digest.Digest) ([]digest.Digest, error) { return nil, ctx.Err() }
		}),
		breaking("walks without order", map[string]string{"images/all": "sorted by ID"}, func(f *fakes) {
			all := f.images.all
			f.images.all = func(ctx context.Context) iter.Seq2[imagestore.Image, error] { return backwards(all(ctx)) }
		}),
		breaking("skips unreadable records", map[string]string{"unreadable/all": "goes on"}, func(f *fakes) {
			all := f.images.all
			f.images.all = func(ctx context.Context) iter.Seq2[imagestore.Image, error] {
				return func(yield func(imagestore.Image, error) bool) {
					for img, err := range all(ctx) {
						if !errors.Is(err, jettison.ErrInternal) && !yield(img, err) {
							return
						}
					}
				}
			}
		}),
	}
}

// brokenDeletions are stores that delete images wrongly.
func brokenDeletions() []broken {
	return []broken{
		breaking("links to a deleted parent stay", map[string]string{"images/delete parent": "links from the children"}, keepParents),
		breaking("deletes what is not there", map[string]string{"images/delete missing": "of two deletions only one succeeds"}, func(f *fakes) {
			remove := f.images.remove
			f.images.remove = func(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
				removed, err := remove(ctx, id)
				if errors.Is(err, jettison.ErrNotFound) {
					err = nil
				}
				return removed, err
			}
		}),
		breaking("deletes nothing", map[string]string{
			"images/delete": "removes the record", "unreadable/delete": "removed all the same", "backend/update": "visible",
		}, func(f *fakes) {
			f.images.remove = func(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
				_, err := f.images.get(ctx, id)
				return imagestore.Removed{}, err
			}
		}),
		breaking("cannot delete unreadable records", map[string]string{
			"unreadable/delete": "removed all the same", "unreadable/by ID": "deleted by its full ID",
		}, func(f *fakes) {
			remove := f.images.remove
			f.images.remove = func(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
				if _, err := f.images.get(ctx, id); err != nil {
					return imagestore.Removed{}, err
				}
				return remove(ctx, id)
			}
		}),
	}
}

// reclass takes the class from an error.
func reclass(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%v", err)
}

// reversed turns the order of a list.
func reversed[T any](list func(context.Context, T) ([]digest.Digest, error)) func(context.Context, T) ([]digest.Digest, error) {
	return func(ctx context.Context, of T) ([]digest.Digest, error) {
		ids, err := list(ctx, of)
		slices.Reverse(ids)
		return ids, err
	}
}

// backwards turns the order of a walk.
func backwards[T any](all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var items []T
		for item, err := range all {
			if err != nil {
				yield(item, err)
				return
			}
			items = append(items, item)
		}
		for _, item := range slices.Backward(items) {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// keepParents shows the parents that images had at first.
func keepParents(f *fakes) {
	get := f.images.get
	f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
		img, err := get(ctx, id)
		if err == nil && img.Parent == "" {
			img.Parent = digest.FromString("some parent")
		}
		return img, err
	}
}

// shareLabels hands out the records it keeps.
func shareLabels() func(*fakes) {
	kept := make(map[digest.Digest]imagestore.Image)
	return func(f *fakes) {
		get, all := f.images.get, f.images.all
		f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
			if have, ok := kept[id]; ok {
				return have, nil
			}
			img, err := get(ctx, id)
			if err == nil {
				kept[id] = img
			}
			return img, err
		}
		f.images.all = func(ctx context.Context) iter.Seq2[imagestore.Image, error] {
			return func(yield func(imagestore.Image, error) bool) {
				for img, err := range all(ctx) {
					if have, ok := kept[img.ID]; ok && err == nil {
						img = have
					}
					if !yield(img, err) {
						return
					}
				}
			}
		}
	}
}
