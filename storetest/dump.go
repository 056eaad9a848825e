package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// Dump writes what the stores show as sorted lines that are equal for equal
// states, whatever the store: images, their layers, references, and the
// containers and leases on any image that is there or referred to. A lease is
// written without its ID, which an engine makes up.
func Dump(ctx context.Context, stores jettison.Stores) ([]string, error) {
	d := dump{
		stores: stores,
		lines:  make(map[string]bool),
		images: make(map[digest.Digest]bool),
		layers: make(map[digest.Digest]bool),
	}
	for _, add := range []func(context.Context) error{d.addImages, d.addReferences, d.addContainers, d.addLeases} {
		if err := add(ctx); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(d.lines)), nil
}

type dump struct {
	stores jettison.Stores
	lines  map[string]bool
	images map[digest.Digest]bool // there or referred to
	layers map[digest.Digest]bool // written
}

func (d *dump) add(format string, args ...any) { d.lines[fmt.Sprintf(format, args...)] = true }

func (d *dump) addImages(ctx context.Context) error {
	for img, err := range d.stores.Images.All(ctx) {
		var unreadable *imagestore.UnreadableError
		switch {
		case errors.As(err, &unreadable):
			d.images[unreadable.ID] = true
			d.add("image %s unreadable", unreadable.ID)
			continue
		case err != nil:
			return err
		}
		d.images[img.ID] = true
		d.add("image %s parent=%s created=%s platform=%v labels=%v layer=%s size=%d content=%s",
			img.ID, img.Parent, timeText(img.Created), img.Platform, img.Labels, img.Layer, img.Size, contentText(img.Content))
		if err := d.addLinks(ctx, img); err != nil {
			return err
		}
		for _, chain := range img.Chains() {
			if err := d.addLayers(ctx, chain); err != nil {
				return err
			}
		}
	}
	return nil
}

// addLinks writes what an index holds, and what is about what.
func (d *dump) addLinks(ctx context.Context, img imagestore.Image) error {
	for _, m := range img.Manifests {
		d.add("manifest %s of %s platform=%v layer=%s about=%s content=%s", m.Digest, img.ID, m.Platform, m.Layer, m.Subject, contentText(m.Content))
	}
	known := d.stores.Images.Referrers
	if known == nil {
		return nil
	}
	about, err := known.Referrers(ctx, img.ID)
	if err != nil {
		return err
	}
	for _, id := range about {
		d.add("image %s is about %s", id, img.ID)
	}
	subjects, err := known.Subjects(ctx, img.ID)
	for _, id := range subjects {
		d.add("image %s is about %s", img.ID, id)
	}
	if img.Subject != "" {
		d.add("image %s says that it is about %s", img.ID, img.Subject)
	}
	return err
}

func (d *dump) addLayers(ctx context.Context, chain digest.Digest) error {
	for chain != "" && !d.layers[chain] {
		d.layers[chain] = true
		layer, err := d.stores.Images.Layer(ctx, chain)
		if err != nil {
			return err
		}
		d.add("layer %s diff=%s parent=%s holders=%d content=%s",
			layer.ChainID, layer.DiffID, layer.Parent, layer.Holders, contentText(layer.Content))
		chain = layer.Parent
	}
	return nil
}

// addReferences writes the references as the whole list has them; that of each
// image must agree.
func (d *dump) addReferences(ctx context.Context) error {
	count := 0
	for a, err := range d.stores.References.All(ctx) {
		if err != nil {
			return err
		}
		count++
		d.images[a.ID] = true
		d.add("reference %s -> %s", a.Ref, a.ID)
	}
	for id := range d.images {
		refs, err := d.stores.References.References(ctx, id)
		if err != nil {
			return err
		}
		count -= len(refs)
	}
	if count != 0 {
		return fmt.Errorf("the list of all references has %d more than those of the images together", count)
	}
	return nil
}

func (d *dump) addContainers(ctx context.Context) error {
	if d.stores.Containers.ContainerLister == nil {
		return nil
	}
	for id := range d.images {
		users, err := d.stores.Containers.Containers(ctx, id)
		if err != nil {
			return err
		}
		for _, c := range users {
			d.add("%s", containerText(c))
		}
	}
	return nil
}

func (d *dump) addLeases(ctx context.Context) error {
	if d.stores.Leases == nil {
		return nil
	}
	for id := range d.images {
		on, err := d.stores.Leases.Leases(ctx, id)
		if err != nil {
			return err
		}
		for _, l := range on {
			d.add("lease on %s kind=%s owner=%s expires=%s", id, l.Kind, l.Owner, timeText(l.Expires))
		}
	}
	return nil
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func contentText(content []imagestore.Content) string {
	all := make([]string, 0, len(content))
	for _, c := range content {
		all = append(all, fmt.Sprintf("%s/size=%d/holders=%d", c.Digest, c.Size, c.Holders))
	}
	return strings.Join(all, ",")
}

func containerText(c jettison.Container) string {
	mounts := slices.Sorted(slices.Values(c.Mounts))
	return fmt.Sprintf("container %s name=%s image=%s mounts=%v running=%t owner=%s", c.ID, c.Name, c.Image, mounts, c.Running, c.Owner)
}
