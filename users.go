package jettison

import (
	"cmp"
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// byContainers are the conflicts that removing containers resolves (rule D17).
const byContainers = conflict.RunningContainer | conflict.StoppedContainer

// canRemoveContainers refuses to remove containers on a store that knows of some
// but cannot (rule D17). Where nothing knows of containers there are none.
func (p *planner) canRemoveContainers(opts RemoveOptions) error {
	if opts.RemoveContainers && p.stores.Containers.Remover == nil && p.stores.Containers.ContainerLister != nil {
		return class.Errorf(class.InvalidArgument, "this store cannot remove containers")
	}
	return nil
}

// clearUses plans the removal of the containers that use an image whose last
// references are going, if nothing else keeps it: neither a child or a lease nor
// what it is about (rule D17).
func (p *planner) clearUses(ctx context.Context, r *Removal, id digest.Digest, going []reference.Named, opts RemoveOptions) error {
	if !opts.RemoveContainers {
		return nil
	}
	held, err := p.isHeldWithout(ctx, id, going)
	if err != nil || held {
		return err
	}
	found, err := conflict.Check(ctx, p, id, conflict.Hard&^byContainers)
	if err != nil || found != nil {
		return err
	}
	return p.removeUsers(ctx, r, id, opts)
}

// isHeldWithout is isHeld for the time when these references are gone: one of them
// may be what says that the image is about another (rule S5).
func (p *planner) isHeldWithout(ctx context.Context, id digest.Digest, going []reference.Named) (bool, error) {
	for _, ref := range going {
		p.removeReference(ref)
	}
	defer func() {
		for _, ref := range going {
			p.restoreReference(ref)
		}
	}()
	return p.isHeld(ctx, id)
}

// removeUsers plans the removal of the containers that use the image, sorted by
// ID.
func (p *planner) removeUsers(ctx context.Context, r *Removal, id digest.Digest, opts RemoveOptions) error {
	if !opts.RemoveContainers {
		return nil
	}
	users, err := p.Containers(ctx, id)
	if err != nil {
		return err
	}
	users = slices.Clone(users)
	slices.SortFunc(users, func(a, b Container) int { return cmp.Compare(a.ID, b.ID) })
	for i, c := range users {
		p.removeContainer(c)
		r.Steps = append(r.Steps, Step{Image: id, Container: &users[i]})
	}
	return nil
}

// removeContainer removes a container, and tries once more what may only have
// failed for now: its layer is still mounted, or the program that owns it looks at
// it.
func (c change) removeContainer(ctx context.Context, user Container) error {
	if c.Containers.Remover == nil {
		return class.Errorf(class.InvalidArgument, "this store cannot remove containers")
	}
	err := c.Containers.Remover.RemoveContainer(ctx, user)
	if err == nil || isNotFound(err) || class.Is(err, class.InvalidArgument) || ctx.Err() != nil {
		return err
	}
	return c.Containers.Remover.RemoveContainer(ctx, user)
}
