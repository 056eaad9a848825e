package jettison

import (
	"context"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
)

// An overlay shows the stores as they will be once the steps planned so far
// are carried out. It implements [conflict.Facts].
type overlay struct {
	stores  Stores
	now     time.Time
	images  map[digest.Digest]fate // images that something will happen to
	refs    map[string]bool        // references that will be gone, by full string
	users   map[string]bool        // containers that will be gone, by ID
	content map[digest.Digest]int  // holders that content which stays will have lost
	// layers are those that several hold, with the holders that they will have.
	// Each is asked for once.
	layers   map[digest.Digest]imagestore.Layer
	replaced replacements
}

// A fate is what will happen to an image.
type fate uint8

const (
	// untagged: all its references will be gone. They need not be in refs too:
	// a prune untags many images, and each as a whole.
	untagged fate = 1 << iota
	// deleted: it will be gone.
	deleted
)

var _ conflict.Facts = (*overlay)(nil)

func newOverlay(stores Stores, now time.Time) *overlay {
	return &overlay{
		stores:  stores,
		now:     now,
		images:  make(map[digest.Digest]fate),
		refs:    make(map[string]bool),
		users:   make(map[string]bool),
		content: make(map[digest.Digest]int),
		layers:  make(map[digest.Digest]imagestore.Layer),
	}
}

// Image returns the record of an image that is still there.
func (o *overlay) Image(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	if o.gone(id) {
		return imagestore.Image{}, noSuchImage(id.String())
	}
	if img, ok := o.replaced.made[id]; ok {
		return img, nil
	}
	return o.stores.Images.Get(ctx, id)
}

// gone reports whether the image will have been deleted.
func (o *overlay) gone(id digest.Digest) bool { return o.images[id]&deleted != 0 }

// Search returns the IDs with this prefix of the images that are still there.
func (o *overlay) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	ids, err := o.stores.Images.Search(ctx, prefix)
	return o.remaining(o.replaced.search(ids, prefix)), err
}

// Children returns the children that are still there. An image whose parent
// link names itself is not its own child.
func (o *overlay) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	ids, err := eachOrigin(o, id, func(id digest.Digest) ([]digest.Digest, error) {
		return o.stores.Images.Children(ctx, id)
	})
	ids = slices.DeleteFunc(o.remaining(ids), func(child digest.Digest) bool { return child == id })
	return ids, err
}

func (o *overlay) remaining(ids []digest.Digest) []digest.Digest {
	return slices.DeleteFunc(slices.Clone(ids), o.gone)
}

// Resolve returns the image that a remaining reference names.
func (o *overlay) Resolve(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	if o.refs[ref.String()] {
		return "", noSuchImage(reference.FamiliarString(ref))
	}
	id, err := o.stores.References.Get(ctx, ref)
	if err == nil && o.images[id]&untagged != 0 {
		return "", noSuchImage(reference.FamiliarString(ref))
	}
	return o.replaced.now(id), err
}

// References returns the references to the image that are still there.
func (o *overlay) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	if o.images[id]&untagged != 0 {
		return nil, ctx.Err()
	}
	refs, err := eachOrigin(o, id, func(id digest.Digest) ([]reference.Named, error) {
		return o.stores.References.References(ctx, id)
	})
	if len(o.refs) == 0 {
		return refs, err
	}
	return slices.DeleteFunc(slices.Clone(refs), func(ref reference.Named) bool { return o.refs[ref.String()] }), err
}

// Containers returns the containers that are still there and use the image.
func (o *overlay) Containers(ctx context.Context, id digest.Digest) ([]Container, error) {
	if o.stores.Containers.ContainerLister == nil {
		return nil, nil
	}
	all, err := o.stores.Containers.Containers(ctx, id)
	if len(o.users) == 0 {
		return all, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Container) bool { return o.users[c.ID] }), err
}

// removeContainer notes that the container will be gone.
func (o *overlay) removeContainer(c Container) { o.users[c.ID] = true }

// Leases returns the leases on the image that live.
func (o *overlay) Leases(ctx context.Context, id digest.Digest) ([]conflict.Lease, error) {
	if o.stores.Leases == nil {
		return nil, nil
	}
	leases, err := o.stores.Leases.Leases(ctx, id)
	return slices.DeleteFunc(slices.Clone(leases), func(l conflict.Lease) bool { return !l.Live(o.now) }), err
}

// removeReference notes that ref will be gone.
func (o *overlay) removeReference(ref reference.Named) { o.refs[ref.String()] = true }

// restoreReference notes that ref stays after all.
func (o *overlay) restoreReference(ref reference.Named) { delete(o.refs, ref.String()) }

// removeReferences notes that all references to the image will be gone.
func (o *overlay) removeReferences(id digest.Digest) { o.images[id] |= untagged }

// removeImage notes that the image will be gone, and returns what goes with
// it: content and layers that nothing else holds (rule D12). A layer whose
// record cannot be read ends the walk, and the error says which; what is
// below it stays.
func (o *overlay) removeImage(ctx context.Context, img imagestore.Image) (imagestore.Removed, error) {
	o.images[img.ID] |= deleted
	return o.release(ctx, img)
}

// release notes that what the image holds loses that holder.
func (o *overlay) release(ctx context.Context, img imagestore.Image) (gone imagestore.Removed, damage error) {
	o.releaseContent(&gone, img.Content)
	for _, chain := range img.Chains() {
		err := o.releaseChain(ctx, &gone, chain)
		switch {
		case err == nil:
		case isDamage(err):
			damage = err
		default:
			return gone, err
		}
	}
	return gone, damage
}

func (o *overlay) releaseChain(ctx context.Context, gone *imagestore.Removed, chain digest.Digest) error {
	for chain != "" {
		if slices.ContainsFunc(gone.Layers, func(l imagestore.Layer) bool { return l.ChainID == chain }) {
			return nil // a chain in a circle ends where it began
		}
		layer, err := o.releaseLayer(ctx, chain)
		if err != nil {
			return err
		}
		if layer.Holders > 0 {
			return nil
		}
		gone.Layers = append(gone.Layers, layer)
		o.releaseContent(gone, layer.Content)
		chain = layer.Parent
	}
	return nil
}

// releaseLayer notes that a layer will have lost a holder, and returns it as it
// will be then.
func (o *overlay) releaseLayer(ctx context.Context, chain digest.Digest) (imagestore.Layer, error) {
	layer, known := o.layers[chain]
	if !known {
		var err error
		if layer, err = o.stores.Images.Layer(ctx, chain); err != nil {
			return imagestore.Layer{}, err
		}
	}
	layer.Holders--
	if known || layer.Holders > 0 {
		o.layers[chain] = layer
	}
	return layer, nil
}

func (o *overlay) releaseContent(gone *imagestore.Removed, held []imagestore.Content) {
	for _, c := range held {
		lost := o.content[c.Digest] + 1
		c.Holders -= lost
		if c.Holders > 0 {
			o.content[c.Digest] = lost
			continue
		}
		gone.Content = append(gone.Content, c)
	}
}
