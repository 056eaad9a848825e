package storetest_test

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/storetest"
)

// A collecting function collects garbage.
type collecting = func(ctx context.Context) ([]digest.Digest, error)

func brokenCollectors() []broken {
	return []broken{
		collection("collects nothing", map[string]string{"collector/gone": "waits until all", "collector/service": "when a service returns"},
			func(*ableFakes) collecting {
				return func(ctx context.Context) ([]digest.Digest, error) { return nil, ctx.Err() }
			}),
		collection("says that all has gone", map[string]string{"collector/held": "Collect returns that"},
			func(f *ableFakes) collecting {
				collect := f.able.collect
				return func(ctx context.Context) ([]digest.Digest, error) {
					_, err := collect(ctx)
					return nil, err
				}
			}),
		collection("says that something is left", map[string]string{"collector/gone": "returns none of it", "collector/held": "nothing else"},
			func(f *ableFakes) collecting {
				collect := f.able.collect
				return func(ctx context.Context) ([]digest.Digest, error) {
					left, err := collect(ctx)
					return append(left, storetest.ChainID("os", "tool")), err
				}
			}),
		collection("takes images without references for garbage", map[string]string{"collector/needed": "nothing that an image"},
			func(f *ableFakes) collecting {
				collect := f.able.collect
				return func(ctx context.Context) ([]digest.Digest, error) {
					for img, err := range f.images.all(ctx) {
						if err != nil {
							return nil, err
						}
						if refs, err := f.references.references(ctx, img.ID); err != nil || len(refs) > 0 {
							continue
						}
						if _, err := f.images.remove(ctx, img.ID); err != nil {
							return nil, err
						}
					}
					_, err := collect(ctx)
					return nil, err
				}
			}),
		rememberingWhole("tells of updates before", map[string]string{"collector/update": "none before it"}, tellAll),
		collection("ignores the context of a collection", map[string]string{"collector/context": "before it has taken anything"},
			func(f *ableFakes) collecting {
				collect := f.able.collect
				return func(ctx context.Context) ([]digest.Digest, error) { return collect(context.WithoutCancel(ctx)) }
			}),
	}
}

// collection is a broken store with another Collect.
func collection(name string, fails map[string]string, change func(*ableFakes) collecting) broken {
	return breakingWhole(name, fails, func(f *ableFakes) { f.able.collect = change(f) })
}

// tellAll tells of all that was ever left.
func tellAll() func(*ableFakes) {
	var told []digest.Digest
	return func(f *ableFakes) {
		collect := f.able.collect
		f.able.collect = func(ctx context.Context) ([]digest.Digest, error) {
			left, err := collect(ctx)
			told = append(told, left...)
			return told, err
		}
	}
}
