package storetest_test

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

func brokenNamed() []broken {
	undone := aroundWhole(func(b jettison.Backend) jettison.Backend { return &committing{b} })
	return append(slices.Concat(wrongNamedDeletions(), hastyNamedDeletions()), []broken{
		{
			name: "removes images with their names through a view", fails: map[string]string{"named/view": "changes nothing"},
			config: aroundWhole(func(b jettison.Backend) jettison.Backend { return &open{b} }),
		},
		{name: "cannot bring images with their names back", config: undone, fails: map[string]string{"named/rollback": "is there"}},
	}...)
}

// wrongNamedDeletions do not do or not say what they should.
func wrongNamedDeletions() []broken {
	return []broken{
		namedDeletion("leaves the references of an image", map[string]string{"named/delete": "as a call for each reference"},
			func(f *ableFakes) namedDeleting {
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					removed, err := f.images.remove(ctx, id)
					return len(refs), removed, err
				}
			}),
		namedDeletion("says nothing of the layers", map[string]string{"named/delete": "returns what those return"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					untagged, _, err := whole(ctx, id, refs)
					return untagged, imagestore.Removed{}, err
				}
			}),
		namedDeletion("does not count the references", map[string]string{"named/delete": "the number of the references", "named/other image": "references counted"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					_, removed, err := whole(ctx, id, refs)
					return 0, removed, err
				}
			}),
		namedDeletion("does not mind whether image and references are there", map[string]string{"named/missing": "only one succeeds", "named/other image": "NotFound"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					untagged, removed, err := whole(ctx, id, refs)
					if errors.Is(err, jettison.ErrNotFound) {
						return untagged, removed, nil
					}
					return untagged, removed, err
				}
			}),
	}
}

// hastyNamedDeletions begin before they may, or in another order.
func hastyNamedDeletions() []broken {
	return []broken{
		namedDeletion("removes the image before it looks at the references", map[string]string{"named/other image": "the image is there"},
			func(f *ableFakes) namedDeleting {
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					removed, err := f.images.remove(ctx, id)
					for i, ref := range refs {
						if err := f.references.remove(ctx, ref, id); err != nil {
							return i, removed, err
						}
					}
					return len(refs), removed, err
				}
			}),
		namedDeletion("ends the leases before it looks at the references", map[string]string{"named/other image": "all that is about it"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					held, err := f.leases.list(ctx, id)
					for _, l := range held {
						err = f.leases.remove(ctx, id, l.ID)
					}
					if err != nil {
						return 0, imagestore.Removed{}, err
					}
					return whole(ctx, id, refs)
				}
			}),
		namedDeletion("removes the references in another order", map[string]string{"named/other image": "references counted"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					refs = slices.Clone(refs)
					slices.Reverse(refs)
					return whole(ctx, id, refs)
				}
			}),
		namedDeletion("ignores the context of a named deletion", map[string]string{"named/context": "before it has changed anything"},
			func(f *ableFakes) namedDeleting {
				whole := f.able.named
				return func(ctx context.Context, id digest.Digest, refs []named) (int, imagestore.Removed, error) {
					return whole(context.WithoutCancel(ctx), id, refs)
				}
			}),
	}
}

// namedDeletion is a broken store with another DeleteNamed.
func namedDeletion(name string, fails map[string]string, change func(*ableFakes) namedDeleting) broken {
	return breakingWhole(name, fails, func(f *ableFakes) { f.able.named = change(f) })
}

// open lets views write.
type open struct{ jettison.Backend }

func (b *open) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Update(ctx, fn)
}
