package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// useCases are the promises of ContainerLister and LeaseStore.
func useCases() []testCase {
	return []testCase{
		{
			name: "containers/of image", rule: "D13", state: used, needs: containers, f: containersOf,
			explanation: "Containers returns the containers created from the image and those that mount it, each once, with all that is known of them",
		},
		{
			name: "containers/owned", state: used, needs: containers, f: ownedContainers,
			explanation: "what Containers returns belongs to the caller, who may change it without changing the store",
		},
		{
			name: "leases/of image", rule: "L2", state: used, needs: leases, f: leasesOf,
			explanation: "Leases returns the leases on that image and on no other, with all that was recorded",
		},
		{
			name: "leases/remove", rule: "L2", state: used, needs: leases, f: removeLease,
			explanation: "Remove removes the lease with this ID from the image and no other; one that is not there is no error",
		},
		{
			name: "leases/owned", state: used, needs: leases, f: ownedLeases,
			explanation: "what Leases returns belongs to the caller, who may change it without changing the store",
		},
	}
}

func containersOf(ctx context.Context, p *probe) error {
	f := newFamily()
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, img := range append(f.images(), Spec{Name: "in no store"}.Image()) {
			id := img.ID()
			var want []string
			for _, c := range p.state.Containers {
				if c.Image == id || slices.Contains(c.Mounts, id) {
					want = append(want, containerText(c))
				}
			}
			users, err := stores.Containers.Containers(ctx, id)
			var got []string
			for _, c := range users {
				got = append(got, containerText(c))
			}
			slices.Sort(got)
			slices.Sort(want)
			if err := firstError(err, same("containers", got, want)); err != nil {
				return err
			}
		}
		return nil
	})
}

func ownedContainers(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			users, err := stores.Containers.Containers(ctx, newFamily().lone.ID())
			for _, c := range users {
				clear(c.Mounts)
			}
			clear(users)
			return err
		})
	})
}

// live are the leases on an image, in the order of their IDs.
func (p *probe) live(ctx context.Context, id digest.Digest) (live []conflict.Lease, err error) {
	err = p.backend.View(ctx, func(stores jettison.Stores) (err error) {
		live, err = stores.Leases.Leases(ctx, id)
		return err
	})
	live = slices.Clone(live)
	slices.SortFunc(live, func(a, b conflict.Lease) int { return cmp.Compare(a.ID, b.ID) })
	for i := range live {
		live[i].Expires = live[i].Expires.UTC()
	}
	return live, err
}

func leasesOf(ctx context.Context, p *probe) error {
	f := newFamily()
	timed := conflict.Lease{
		ID: "l2", Kind: conflict.LeaseBuild, Owner: "build of base",
		Expires: time.Now().Add(time.Hour).UTC().Round(time.Second),
	}
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		return stores.Leases.Add(ctx, f.base.ID(), timed)
	})
	if err != nil {
		return err
	}
	for id, want := range map[digest.Digest][]conflict.Lease{
		f.base.ID(): {pull("l1", "pull of base"), timed}, f.app.ID(): nil, missing(): nil,
	} {
		got, err := p.live(ctx, id)
		if err := firstError(err, same("leases", got, want)); err != nil {
			return err
		}
	}
	return nil
}

func removeLease(ctx context.Context, p *probe) error {
	id := newFamily().base.ID()
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		return stores.Leases.Add(ctx, id, pull("l2", "another pull"))
	})
	if err != nil {
		return err
	}
	for range 2 {
		err := p.backend.Update(ctx, func(stores jettison.Stores) error {
			return stores.Leases.Remove(ctx, id, "l1")
		})
		if err != nil {
			return err
		}
		left, err := p.live(ctx, id)
		if err := firstError(err, same("leases left", left, []conflict.Lease{pull("l2", "another pull")})); err != nil {
			return err
		}
	}
	return p.backend.Update(ctx, func(stores jettison.Stores) error {
		return stores.Leases.Remove(ctx, missing(), "l2")
	})
}

func ownedLeases(ctx context.Context, p *probe) error {
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			on, err := stores.Leases.Leases(ctx, newFamily().base.ID())
			clear(on)
			return err
		})
	})
}
