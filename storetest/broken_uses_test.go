package storetest_test

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

func brokenUses() []broken {
	return []broken{
		breaking("does not look at mounts", map[string]string{"containers/of image": "mount it", "service/conflicts": "use or mount it"}, func(f *fakes) {
			list := f.containers.list
			f.containers.list = func(ctx context.Context, image digest.Digest) ([]jettison.Container, error) {
				all, err := list(ctx, image)
				var created []jettison.Container
				for _, c := range all {
					if c.Image == image {
						created = append(created, c)
					}
				}
				return created, err
			}
		}),
		breaking("knows no containers", map[string]string{"service/use": "a container uses"}, func(f *fakes) {
			f.containers.list = func(ctx context.Context, _ digest.Digest) ([]jettison.Container, error) { return nil, ctx.Err() }
		}),
		remembering("hands out its own containers", map[string]string{"containers/owned": "belongs to the caller"}, shareContainers),
		breaking("forgets when leases end", map[string]string{"leases/of image": "all that was recorded"}, func(f *fakes) {
			list := f.leases.list
			f.leases.list = func(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
				all, err := list(ctx, image)
				for i := range all {
					all[i].Expires = all[i].Expires.AddDate(1, 0, 0)
				}
				return all, err
			}
		}),
		breaking("forgets leases", map[string]string{"leases/remove": "no other", "service/lease": "until it is released"}, func(f *fakes) {
			f.leases.list = func(ctx context.Context, _ digest.Digest) ([]conflict.Lease, error) { return nil, ctx.Err() }
		}),
		remembering("hands out its own leases", map[string]string{"leases/owned": "belongs to the caller"}, shareLeases),
	}
}

func shareContainers() func(*fakes) {
	kept := make(map[digest.Digest][]jettison.Container)
	return func(f *fakes) { f.containers.list = share(kept, f.containers.list) }
}

func shareLeases() func(*fakes) {
	kept := make(map[digest.Digest][]conflict.Lease)
	return func(f *fakes) { f.leases.list = share(kept, f.leases.list) }
}
