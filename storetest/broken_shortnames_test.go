package storetest_test

import (
	"context"
	"slices"

	"github.com/distribution/reference"
)

// A completing function completes short names.
type completing = func(ctx context.Context, short string) ([]named, error)

func brokenShortNames() []broken {
	return []broken{
		completion("forgets tags and digests", map[string]string{"short/candidates": "the tag or the digest of the name"},
			func(candidates completing) completing {
				return func(ctx context.Context, short string) ([]named, error) {
					refs, err := candidates(ctx, short)
					for i, ref := range refs {
						refs[i] = reference.TrimNamed(ref)
					}
					return refs, err
				}
			}),
		rememberingWhole("changes the order of candidates", map[string]string{"short/order": "in the same order"}, alternate),
		rememberingWhole("hands out its own candidates", map[string]string{"short/order": "belong to the caller"}, shareCandidates),
		completion("ignores the context of candidates", map[string]string{"short/context": "obeys its context"},
			func(candidates completing) completing {
				return func(ctx context.Context, short string) ([]named, error) {
					return candidates(context.WithoutCancel(ctx), short)
				}
			}),
		breakingWhole("has another order once there are images", map[string]string{"short/service": "the first of its candidates"}, reorder),
	}
}

// completion is a broken store with other candidates.
func completion(name string, fails map[string]string, change func(completing) completing) broken {
	return breakingWhole(name, fails, func(f *ableFakes) { f.able.candidates = change(f.able.candidates) })
}

// alternate turns the order each other time.
func alternate() func(*ableFakes) {
	turn := false
	return func(f *ableFakes) {
		candidates := f.able.candidates
		f.able.candidates = func(ctx context.Context, short string) ([]named, error) {
			refs, err := candidates(ctx, short)
			if turn {
				slices.Reverse(refs)
			}
			turn = !turn
			return refs, err
		}
	}
}

// shareCandidates hands out what it keeps.
func shareCandidates() func(*ableFakes) {
	kept := make(map[string][]named)
	return func(f *ableFakes) {
		candidates := f.able.candidates
		f.able.candidates = func(ctx context.Context, short string) ([]named, error) {
			if kept[short] != nil {
				return kept[short], nil
			}
			refs, err := candidates(ctx, short)
			kept[short] = refs
			return refs, err
		}
	}
}

// reorder turns the order in a store that is not empty.
func reorder(f *ableFakes) {
	candidates := f.able.candidates
	f.able.candidates = func(ctx context.Context, short string) ([]named, error) {
		refs, err := candidates(ctx, short)
		if err != nil {
			return nil, err
		}
		ids, err := f.images.search(ctx, "")
		if len(ids) > 0 {
			slices.Reverse(refs)
		}
		return refs, err
	}
}
