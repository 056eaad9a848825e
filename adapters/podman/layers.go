package podman

import (
	"cmp"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison/imagestore"
)

// layers are the layers of the store, with what holds each of them. The store
// names a layer by an ID of its own, we by a chain ID.
type layers struct {
	all     []*layer // in the order of the store
	byID    map[string]*layer
	byChain map[digest.Digest]*layer
	none    []*image // the images without layers
}

// A layer is the record of a layer in the store.
type layer struct {
	storage.Layer
	below *layer
	// chain is the ID by which we know the layer, digests the chain ID that follows
	// from what is in it and below it, or empty where the store does not know that.
	chain, digests digest.Digest
	// holders counts the images on top and the layers above, and the store that
	// cannot be changed.
	holders int
	// images are those whose topmost layer it is, children the layers above it,
	// both in the order of the store.
	images   []*image
	children []*layer
	// mapped says that it is a copy of the topmost layer of an image for other user
	// IDs, which goes with that image.
	mapped bool
	// working says that it is the writable layer of a container whose image is there:
	// the image holds what is below, and cannot go before the container.
	working bool
}

// newLayers gives the layers their chain IDs and counts their holders. Images
// that we leave alone hold their layers too.
func newLayers(found storage.MultiListResult) *layers {
	ls := &layers{
		byID:    make(map[string]*layer, len(found.Layers)),
		byChain: make(map[digest.Digest]*layer, len(found.Layers)),
	}
	for _, record := range found.Layers {
		if _, ok := ls.byID[record.ID]; !ok { // else one of a store that cannot be changed
			l := &layer{Layer: record}
			if l.ReadOnly {
				l.holders = 1 // its store
			}
			ls.byID[record.ID] = l
			ls.all = append(ls.all, l)
		}
	}
	for _, img := range found.Images {
		for _, id := range img.MappedTopLayers {
			if l, ok := ls.byID[id]; ok {
				l.mapped = true
			}
		}
		if top, ok := ls.byID[img.TopLayer]; ok {
			top.holders++
		}
	}
	ls.findWorking(found)
	for _, l := range ls.all {
		if below, ok := ls.byID[l.Parent]; ok {
			l.below = below
			below.children = append(below.children, l)
			below.hold(l, 1)
		}
	}
	ls.nameChains()
	return ls
}

// attach notes an image that holds its topmost layer.
func (ls *layers) attach(img *image) {
	if img.TopLayer == "" {
		ls.none = append(ls.none, img)
	} else if top := ls.top(img); top != nil {
		top.images = append(top.images, img)
	}
}

// detach notes that an image has gone and holds nothing any more.
func (ls *layers) detach(img *image) {
	same := func(other *image) bool { return other == img }
	if img.TopLayer == "" {
		ls.none = slices.DeleteFunc(ls.none, same)
	} else if top := ls.top(img); top != nil {
		top.images = slices.DeleteFunc(top.images, same)
		top.holders--
	}
}

// findWorking marks the writable layers of containers.
func (ls *layers) findWorking(found storage.MultiListResult) {
	tops := make(map[string][]string, len(found.Images))
	for _, img := range found.Images {
		tops[img.ID] = append(slices.Clone(img.MappedTopLayers), img.TopLayer)
	}
	for _, c := range found.Containers {
		if l, ok := ls.byID[c.LayerID]; ok {
			l.working = slices.Contains(tops[c.ImageID], l.Parent)
		}
	}
}

// hold counts that the layer above came or went. A mapped one goes with the one
// that it is a copy of, which holds the same; the image of a working one does.
func (l *layer) hold(above *layer, n int) {
	if !above.mapped && !above.working {
		l.holders += n
	}
}

// nameChains gives each layer its chain ID. Of several layers with the same
// digests one has that of the digests; the others, and those whose digests are not
// known, are named by their own ID.
func (ls *layers) nameChains() {
	for _, l := range ls.all {
		l.computeDigests(len(ls.all))
	}
	ordered := slices.SortedFunc(slices.Values(ls.all), func(a, b *layer) int {
		if a.mapped != b.mapped {
			if a.mapped {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	for _, l := range ordered {
		l.chain = l.digests
		if _, taken := ls.byChain[l.chain]; taken || l.chain == "" {
			l.chain = ownDigest(l.ID)
		}
		ls.byChain[l.chain] = l
	}
}

// computeDigests computes the chain ID from the digests, if they are all known.
// The records may form a circle, so no chain is longer than there are layers.
func (l *layer) computeDigests(most int) {
	var todo []*layer
	for at := l; at != nil && at.digests == "" && len(todo) <= most; at = at.below {
		todo = append(todo, at)
	}
	for _, at := range slices.Backward(todo) {
		switch {
		case at.UncompressedDigest.Validate() != nil:
		case at.Parent == "":
			at.digests = at.UncompressedDigest
		case at.below != nil && at.below.digests != "":
			at.digests = identity.ChainID([]digest.Digest{at.below.digests, at.UncompressedDigest})
		}
	}
}

// ownDigest makes a digest of an ID of the store.
func ownDigest(id string) digest.Digest {
	if d, ok := imageID(id); ok {
		return d
	}
	return digest.FromString(id)
}

// top is the topmost layer of the image; nil when it has none, or none that is
// there.
func (ls *layers) top(img *image) *layer { return ls.byID[img.TopLayer] }

// record is the layer as an engine knows it.
func (l *layer) record() imagestore.Layer {
	record := imagestore.Layer{
		ChainID: l.chain,
		DiffID:  l.UncompressedDigest,
		Holders: l.holders,
		Content: []imagestore.Content{l.content()},
	}
	if l.below != nil {
		record.Parent = l.below.chain
	}
	return record
}

// content is what the layer occupies, as the archive that it was made of had
// bytes; zero when that is not known.
func (l *layer) content() imagestore.Content {
	size := l.UncompressedSize
	if l.UncompressedDigest == "" && l.TOCDigest == "" || size < 0 {
		size = 0
	}
	return imagestore.Content{Digest: l.chain, Size: size, Holders: 1}
}

// size is the number of bytes of the layer and of all below it.
func (ls *layers) size(l *layer) int64 {
	var n int64
	for range ls.all { // the records may form a circle
		if l == nil {
			break
		}
		n += l.content().Size
		l = l.below
	}
	return n
}

// complete reports whether the layers that go with the image, and the one below
// them, are there and can be changed.
func (ls *layers) complete(img *image) bool {
	id := img.TopLayer
	for _, l := range ls.release(img) {
		if !l.mapped {
			id = l.Parent
		}
	}
	next, ok := ls.byID[id]
	return id == "" || ok && !next.ReadOnly
}

// release are the layers that go with the image, the mapped ones first, then from
// its topmost down to the first that something else holds, that cannot be changed or
// that is not there.
func (ls *layers) release(img *image) []*layer {
	var gone []*layer
	for _, id := range img.MappedTopLayers {
		if l, ok := ls.byID[id]; ok && !l.ReadOnly {
			gone = append(gone, l)
		}
	}
	for l := ls.top(img); l != nil && l.holders == 1 && !l.ReadOnly && !slices.Contains(gone, l); l = l.below {
		gone = append(gone, l)
	}
	return gone
}

// drop notes that a layer has gone.
func (ls *layers) drop(l *layer) {
	delete(ls.byID, l.ID)
	if ls.byChain[l.chain] == l {
		delete(ls.byChain, l.chain)
	}
	ls.all = slices.DeleteFunc(ls.all, func(other *layer) bool { return other == l })
	if l.below != nil {
		l.below.children = slices.DeleteFunc(l.below.children, func(other *layer) bool { return other == l })
		l.below.hold(l, -1)
	}
}
