package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/storetest"
)

func brokenPlatforms() []broken {
	return []broken{
		breakingWhole("forgets what attestations are about", map[string]string{"platforms/index": "the manifest that it is about"}, func(f *ableFakes) {
			get := f.images.get
			f.images.get = func(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
				img, err := get(ctx, id)
				img.Manifests = slices.Clone(img.Manifests)
				for i := range img.Manifests {
					img.Manifests[i].Subject = ""
				}
				return img, err
			}
		}),
		breakingWhole("foretells another size", map[string]string{"platforms/without": "the image that Replace makes"}, func(f *ableFakes) {
			without := f.able.without
			f.able.without = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
				img, err := without(ctx, id, manifests)
				img.Size++
				return img, err
			}
		}),
		{name: "encodes indexes anew", config: compacting(), fails: map[string]string{"platforms/replace": "every other byte stays"}},
		breakingWhole("drops references with a digest", map[string]string{"platforms/references": "references with a digest too"}, dropDigests),
		breakingWhole("indexes have no children", map[string]string{"platforms/children": "are those of the new one"}, func(f *ableFakes) {
			children := f.images.children
			f.images.children = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
				if img, err := f.images.get(ctx, id); err == nil && img.Manifests != nil {
					return nil, nil
				}
				return children(ctx, id)
			}
		}),
		breakingWhole("returns no layers of platforms", map[string]string{
			"platforms/removed": "the layers that nothing else holds", "platforms/service": "the layers that nothing else holds",
		}, changeReplaced(func(removed *imagestore.Removed) { removed.Layers = nil })),
		breakingWhole("returns content of platforms twice", map[string]string{"platforms/removed content": "each piece once"},
			changeReplaced(func(removed *imagestore.Removed) { removed.Content = append(removed.Content, removed.Content...) })),
		breakingWhole("makes the image anew that was there", map[string]string{"platforms/existing": "that one stays as it is"}, dropOthers),
		breakingWhole("refuses to take out nothing", map[string]string{"platforms/nothing": "return the index and change nothing"}, func(f *ableFakes) {
			replace := f.able.replace
			f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
				if len(manifests) == 0 {
					return imagestore.Image{}, imagestore.Removed{}, class.Errorf(class.InvalidArgument, "nothing to take out")
				}
				return replace(ctx, id, manifests)
			}
		}),
		breakingWhole("passes over manifests that are not there", map[string]string{"platforms/errors": "a manifest that is not there"}, passOver),
		breakingWhole("seems to write through a view", map[string]string{"platforms/view": "Replace is an error"}, func(f *ableFakes) {
			replace := f.able.replace
			f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
				if !f.writable {
					return imagestore.Image{}, imagestore.Removed{}, nil
				}
				return replace(ctx, id, manifests)
			}
		}),
		{name: "commits what failed", config: aroundWhole(func(b jettison.Backend) jettison.Backend { return &committing{b} }), fails: map[string]string{
			"platforms/rollback": "nothing has changed",
		}},
		breakingWhole("knows referrers of indexes by the index alone", map[string]string{"platforms/referrers": "a manifest or an index that stayed"}, func(f *ableFakes) {
			subjects := f.able.subjects
			f.able.subjects = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
				ids, err := subjects(ctx, id)
				img, _ := f.images.get(ctx, id)
				return slices.DeleteFunc(ids, func(subject digest.Digest) bool { return subject != img.Subject }), err
			}
		}),
		breakingWhole("replaces without a context", map[string]string{"platforms/context": "before anything has changed"}, func(f *ableFakes) {
			replace := f.able.replace
			f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
				return replace(context.WithoutCancel(ctx), id, manifests)
			}
		}),
	}
}

func changeReplaced(change func(*imagestore.Removed)) func(*ableFakes) {
	return func(f *ableFakes) {
		replace := f.able.replace
		f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
			img, removed, err := replace(ctx, id, manifests)
			change(&removed)
			return img, removed, err
		}
	}
}

// compacting writes documents without white space.
func compacting() storetest.Config {
	cfg := aroundWhole(func(b jettison.Backend) jettison.Backend { return &fakedWhole{b, func(*ableFakes) {}} })
	document := cfg.Document
	cfg.Document = func(t testing.TB, b jettison.Backend, id digest.Digest) []byte {
		var compact bytes.Buffer
		if err := json.Compact(&compact, document(t, b, id)); err != nil {
			t.Fatal(err)
		}
		return compact.Bytes()
	}
	return cfg
}

// dropReferences loses references of an index that is replaced.
func dropReferences(f *ableFakes, lost func(reference.Named) bool) {
	replace := f.able.replace
	f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
		img, removed, err := replace(ctx, id, manifests)
		if err != nil {
			return img, removed, err
		}
		refs, err := f.references.references(ctx, img.ID)
		for _, ref := range refs {
			if lost(ref) && err == nil {
				err = f.references.remove(ctx, ref, img.ID)
			}
		}
		return img, removed, err
	}
}

func dropDigests(f *ableFakes) {
	dropReferences(f, func(ref reference.Named) bool {
		_, ok := ref.(reference.Canonical)
		return ok
	})
}

// dropOthers loses the references that the new image had.
func dropOthers(f *ableFakes) {
	dropReferences(f, func(ref reference.Named) bool { return reference.FamiliarName(ref) != "multi" })
}

// passOver replaces without what the index does not list.
func passOver(f *ableFakes) {
	replace := f.able.replace
	f.able.replace = func(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
		img, err := f.images.get(ctx, id)
		if err != nil {
			return img, imagestore.Removed{}, err
		}
		there := slices.DeleteFunc(slices.Clone(manifests), func(m digest.Digest) bool {
			return img.Manifests != nil && !slices.ContainsFunc(img.Manifests, func(have imagestore.Manifest) bool { return have.Digest == m })
		})
		return replace(ctx, id, there)
	}
}

// committing keeps what a failed update did.
type committing struct{ jettison.Backend }

func (b *committing) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	var failed error
	err := b.Backend.Update(ctx, func(s jettison.Stores) error {
		failed = fn(s)
		return nil
	})
	if err == nil {
		err = failed
	}
	return err
}
