package storetest_test

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

func brokenReferrers() []broken {
	return []broken{
		breakingWhole("referrers without order", map[string]string{"referrers/subject": "sorted"}, func(f *ableFakes) {
			f.able.referrers = reversed(f.able.referrers)
		}),
		breakingWhole("knows one direction", map[string]string{"referrers/subject": "the other direction", "referrers/index": "of any manifest"}, func(f *ableFakes) {
			f.able.subjects = func(ctx context.Context, _ digest.Digest) ([]digest.Digest, error) { return nil, ctx.Err() }
		}),
		breakingWhole("knows no tags", map[string]string{"referrers/tag": "a tag of the referrers tag schema"}, func(f *ableFakes) {
			f.able.referrers = among(f.able.referrers, func(ctx context.Context, id digest.Digest) bool {
				img, err := f.images.get(ctx, id)
				return err == nil && img.Subject != ""
			})
		}),
		breakingWhole("lists what says it twice twice", map[string]string{"referrers/tag": "each is listed once"}, func(f *ableFakes) {
			f.able.referrers = again(f, f.able.referrers)
		}),
		breakingWhole("is about itself", map[string]string{"referrers/self": "no image is about itself"}, func(f *ableFakes) {
			f.able.referrers = withSelf(f, f.able.referrers)
			f.able.subjects = withSelf(f, f.able.subjects)
		}),
		breakingWhole("knows orphans from the wrong side", map[string]string{"referrers/missing": "has no referrers"}, orphansOfMissing),
		rememberingWhole("keeps links to what went", map[string]string{"referrers/deleted": "the links to it"}, keepLinks),
		breakingWhole("hands out its own lists of referrers", map[string]string{"referrers/owned": "belong to the caller"}, func(f *ableFakes) {
			f.able.referrers, f.able.subjects = kept(f.able.referrers), kept(f.able.subjects)
		}),
		breakingWhole("asks of referrers ignore contexts", map[string]string{"referrers/context": "obey their context"}, func(f *ableFakes) {
			f.able.referrers, f.able.subjects = deaf(f.able.referrers), deaf(f.able.subjects)
		}),
		breakingWhole("has no referrers", map[string]string{"referrers/service": "what is about it"}, func(f *ableFakes) {
			f.able.referrers = func(ctx context.Context, _ digest.Digest) ([]digest.Digest, error) { return nil, ctx.Err() }
		}),
		{
			name: "has not the abilities that it declares", fails: map[string]string{
				"referrers/subject": "has no jettison.ReferrerStore", "platforms/without": "has no jettison.PlatformStore",
			},
			config: aroundWhole(func(b jettison.Backend) jettison.Backend { return &unable{b} }),
		},
	}
}

// listing lists what is related to an image.
type listing = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error)

// among lists only what is wanted.
func among(list listing, wanted func(context.Context, digest.Digest) bool) listing {
	return func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		ids, err := list(ctx, id)
		return slices.DeleteFunc(ids, func(id digest.Digest) bool { return !wanted(ctx, id) }), err
	}
}

// again lists once more what both its record and a tag say.
func again(f *ableFakes, list listing) listing {
	return func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		ids, err := list(ctx, id)
		for _, id := range slices.Clone(ids) {
			img, _ := f.images.get(ctx, id)
			if refs, _ := f.references.references(ctx, id); img.Subject != "" && len(refs) > 0 {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids, err
	}
}

// withSelf lists an image among what names it.
func withSelf(f *ableFakes, list listing) listing {
	return func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		ids, err := list(ctx, id)
		refs, _ := f.references.references(ctx, id)
		for _, ref := range refs {
			if strings.Contains(ref.String(), ":sha256-"+id.Encoded()) {
				ids = append(ids, id)
				slices.Sort(ids)
			}
		}
		return ids, err
	}
}

// orphansOfMissing finds what is about an image that is not there.
func orphansOfMissing(f *ableFakes) {
	list := f.able.referrers
	f.able.referrers = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		ids, err := list(ctx, id)
		if len(ids) > 0 || err != nil {
			return ids, err
		}
		for img, err := range f.images.all(ctx) {
			if err == nil && img.Subject == id {
				ids = append(ids, img.ID)
			}
		}
		return ids, nil
	}
}

// keepLinks knows for ever what was about an image first.
func keepLinks() func(*ableFakes) {
	known := make(map[digest.Digest][]digest.Digest)
	return func(f *ableFakes) {
		list := f.able.referrers
		f.able.referrers = func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
			if ids, ok := known[id]; ok {
				return ids, nil
			}
			ids, err := list(ctx, id)
			if err == nil {
				known[id] = ids
			}
			return slices.Clone(ids), err
		}
	}
}

// kept hands out the lists that it keeps.
func kept(list listing) listing {
	known := make(map[digest.Digest][]digest.Digest)
	return func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		if ids, ok := known[id]; ok {
			return ids, nil
		}
		ids, err := list(ctx, id)
		known[id] = ids
		return ids, err
	}
}

// deaf does not look at its context.
func deaf(list listing) listing {
	return func(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
		return list(context.WithoutCancel(ctx), id)
	}
}

// unable is a backend whose images have no more methods than they must.
type unable struct{ jettison.Backend }

func (b *unable) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(s jettison.Stores) error { return fn(newFakes(s).stores()) })
}

func (b *unable) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, func(s jettison.Stores) error { return fn(newFakes(s).stores()) })
}
