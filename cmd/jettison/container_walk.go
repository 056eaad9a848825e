package main

import (
	"context"
	"maps"
	"slices"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
)

// walkContainers calls fn for each container that the store knows, by ID, or for
// the error of one that cannot be read. It ends with the first error of fn.
func (o *opened) walkContainers(ctx context.Context, fn func(jettison.Container, error) error) error {
	if o.disk == nil {
		return o.View(ctx, func(stores jettison.Stores) error { return walkUsers(ctx, stores, fn) })
	}
	return o.disk.Read(ctx, func(tx *kvstore.Tx) error {
		for c, err := range tx.Containers.All(ctx) {
			if err := fn(c, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// walkUsers is walkContainers for stores that tell only what uses an image: those
// whose images are gone are left out.
func walkUsers(ctx context.Context, stores jettison.Stores, fn func(jettison.Container, error) error) error {
	found := make(map[string]jettison.Container)
	for img, err := range stores.Images.All(ctx) {
		var unreadable *imagestore.UnreadableError
		switch {
		case errors.As(err, &unreadable):
			img.ID = unreadable.ID
		case err != nil:
			return err
		}
		users, err := stores.Containers.Containers(ctx, img.ID)
		if err != nil {
			return err
		}
		for _, c := range users {
			found[c.ID] = c
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if err := fn(found[id], nil); err != nil {
			return err
		}
	}
	return nil
}
