package storetest_test

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// A knowing function finds an image by its digest.
type knowing = func(ctx context.Context, dgst digest.Digest) (digest.Digest, error)

func brokenDigests() []broken {
	return []broken{
		knowledge("takes the digest for an ID", map[string]string{"digests/by digest": "returns the ID of the image"},
			func(*ableFakes) knowing {
				return func(ctx context.Context, dgst digest.Digest) (digest.Digest, error) { return dgst, ctx.Err() }
			}),
		knowledge("knows digests of images with references alone", map[string]string{"digests/by digest": "whether or not a reference names it"},
			func(f *ableFakes) knowing {
				find := f.able.byDigest
				return func(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
					id, err := find(ctx, dgst)
					if err != nil {
						return "", err
					}
					if refs, err := f.references.references(ctx, id); err != nil || len(refs) > 0 {
						return id, err
					}
					return "", jettison.ErrNotFound
				}
			}),
		knowledge("knows no digest", map[string]string{"digests/service": "means the tags of its repository"},
			func(*ableFakes) knowing {
				return func(context.Context, digest.Digest) (digest.Digest, error) { return "", jettison.ErrNotFound }
			}),
		knowledge("says nothing of a missing digest", map[string]string{"digests/missing": "NotFound alone"},
			func(f *ableFakes) knowing {
				find := f.able.byDigest
				return func(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
					id, err := find(ctx, dgst)
					if errors.Is(err, jettison.ErrNotFound) {
						return "", nil
					}
					return id, err
				}
			}),
		breakingWhole("knows images by their digests that are deleted", map[string]string{"digests/missing": "has it no more"}, func(f *ableFakes) {
			f.images.remove = func(ctx context.Context, _ digest.Digest) (imagestore.Removed, error) {
				return imagestore.Removed{}, ctx.Err()
			}
		}),
		knowledge("ignores the context of a digest", map[string]string{"digests/context": "obeys its context"},
			func(f *ableFakes) knowing {
				find := f.able.byDigest
				return func(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
					return find(context.WithoutCancel(ctx), dgst)
				}
			}),
	}
}

// knowledge is a broken store with another ByDigest.
func knowledge(name string, fails map[string]string, change func(*ableFakes) knowing) broken {
	return breakingWhole(name, fails, func(f *ableFakes) { f.able.byDigest = change(f) })
}
