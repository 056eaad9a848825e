package storetest_test

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/refstore"
)

type named = reference.Named

func brokenReferences() []broken {
	return []broken{
		breaking("knows tags only", map[string]string{"references/get": "tag or digest reference"}, func(f *fakes) {
			get := f.references.get
			f.references.get = func(ctx context.Context, ref named) (digest.Digest, error) {
				if _, ok := ref.(reference.Canonical); ok {
					return "", jettison.ErrNotFound
				}
				return get(ctx, ref)
			}
		}),
		breaking("returns nothing for a missing reference", map[string]string{
			"references/get missing": "NotFound alone", "service/resolve": "NotFound",
		}, func(f *fakes) {
			get := f.references.get
			f.references.get = func(ctx context.Context, ref named) (digest.Digest, error) {
				id, _ := get(ctx, ref)
				return id, ctx.Err()
			}
		}),
		breaking("forgets a reference", map[string]string{
			"references/of image": "the references to the image", "service/untag": "nothing else", "service/references": "without force",
		}, changeReferences(func(refs []named) []named { return refs[:min(len(refs), 1)] })),
		breaking("references without order", map[string]string{
			"references/of image": "sorted by their full string", "service/delete by ID": "each reference in order",
		}, changeReferences(func(refs []named) []named {
			slices.Reverse(refs)
			return refs
		})),
		breaking("walks references without order", map[string]string{"references/all": "sorted by its full string"}, func(f *fakes) {
			all := f.references.all
			f.references.all = func(ctx context.Context) iter.Seq2[refstore.Association, error] { return backwards(all(ctx)) }
		}),
		breaking("removes no references", map[string]string{
			"references/delete": "removes that reference", "references/delete twice": "only one succeeds", "service/last tag": "the last reference the image",
		}, func(f *fakes) {
			f.references.remove = func(ctx context.Context, ref named, _ digest.Digest) error {
				_, err := f.references.get(ctx, ref)
				return err
			}
		}),
		breaking("deletes a reference that moved", map[string]string{"references/delete moved": "only if it still names the image"}, func(f *fakes) {
			remove := f.references.remove
			f.references.remove = func(ctx context.Context, ref named, _ digest.Digest) error {
				id, err := f.references.get(ctx, ref)
				if err != nil {
					return err
				}
				return remove(ctx, ref, id)
			}
		}),
		breaking("removes what is gone", map[string]string{"references/delete twice": "NotFound"}, func(f *fakes) {
			remove := f.references.remove
			f.references.remove = func(ctx context.Context, ref named, id digest.Digest) error {
				err := remove(ctx, ref, id)
				if errors.Is(err, jettison.ErrNotFound) {
					err = nil
				}
				return err
			}
		}),
		breaking("has no references to missing images", map[string]string{"references/dangling": "like any other"}, func(f *fakes) {
			get := f.references.get
			f.references.get = func(ctx context.Context, ref named) (digest.Digest, error) {
				id, err := get(ctx, ref)
				if err != nil {
					return "", err
				}
				_, err = f.images.get(ctx, id)
				return id, err
			}
		}),
		remembering("hands out its own references", map[string]string{"references/owned": "belongs to the caller"}, shareReferences),
	}
}

func changeReferences(change func([]named) []named) func(*fakes) {
	return func(f *fakes) {
		list := f.references.references
		f.references.references = func(ctx context.Context, id digest.Digest) ([]named, error) {
			refs, err := list(ctx, id)
			return change(refs), err
		}
	}
}

// share makes a list hand out what it keeps.
func share[T any](kept map[digest.Digest][]T, list func(context.Context, digest.Digest) ([]T, error)) func(context.Context, digest.Digest) ([]T, error) {
	return func(ctx context.Context, id digest.Digest) ([]T, error) {
		if have, ok := kept[id]; ok {
			return have, nil
		}
		items, err := list(ctx, id)
		if len(items) > 0 {
			kept[id] = items
		}
		return items, err
	}
}

func shareReferences() func(*fakes) {
	kept := make(map[digest.Digest][]named)
	return func(f *fakes) { f.references.references = share(kept, f.references.references) }
}
