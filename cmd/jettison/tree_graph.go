package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
)

// A graph is the images of a store and how they hang together.
type graph struct {
	images  map[digest.Digest]*node
	roots   []digest.Digest // what is to be drawn
	damaged []string
	layers  map[digest.Digest]*layerNode
	content map[digest.Digest]*pieces
}

// A node is an image, and its JSON.
type node struct {
	ID        digest.Digest   `json:"Id"`
	Names     []string        // sorted
	Parent    digest.Digest   `json:",omitempty"`
	Children  []digest.Digest // sorted, as the rest is
	Platforms []platformNode
	Referrers []digest.Digest
	Subjects  []digest.Digest
	Layers    []*layerNode // top to base, those of a platform after those of the one before
	Size      int64
	Unique    int64
}

// A platformNode is a manifest of an index.
type platformNode struct {
	Digest   digest.Digest
	Platform string
	Missing  bool `json:",omitempty"` // listed only
}

// A layerNode is a layer with the images that have it.
type layerNode struct {
	ChainID digest.Digest
	Size    int64
	Images  []digest.Digest
}

// pieces are the images that hold a piece of content.
type pieces struct {
	size   int64
	images []digest.Digest
}

// newGraph reads the whole store.
func newGraph(ctx context.Context, store *opened) (*graph, error) {
	g := &graph{
		images:  make(map[digest.Digest]*node),
		layers:  make(map[digest.Digest]*layerNode),
		content: make(map[digest.Digest]*pieces),
	}
	err := store.View(ctx, func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(ctx) {
			var damage *imagestore.UnreadableError
			switch {
			case errors.As(err, &damage):
				g.damaged = append(g.damaged, damage.ID.String()+" is left out: "+damage.Error())
				continue
			case err != nil:
				return err
			}
			if err := g.add(ctx, stores, img); err != nil {
				return err
			}
		}
		return nil
	})
	for _, piece := range g.content {
		if len(piece.images) == 1 {
			g.images[piece.images[0]].Unique += piece.size
		}
	}
	return g, err
}

// add reads an image.
func (g *graph) add(ctx context.Context, stores jettison.Stores, img imagestore.Image) (err error) {
	n := &node{ID: img.ID, Names: []string{}, Parent: img.Parent, Platforms: []platformNode{}, Layers: []*layerNode{}, Size: img.Size}
	g.images[img.ID] = n
	refs, err := stores.References.References(ctx, img.ID)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		n.Names = append(n.Names, reference.FamiliarString(ref))
	}
	if n.Children, err = stores.Images.Children(ctx, img.ID); err != nil {
		return err
	}
	if n.Referrers, err = referrersOf(ctx, stores, img.ID); err != nil {
		return err
	}
	if n.Subjects, err = subjectsOf(ctx, stores, img.ID); err != nil {
		return err
	}
	for _, list := range []*[]digest.Digest{&n.Children, &n.Referrers, &n.Subjects} {
		*list = append([]digest.Digest{}, *list...) // a list in JSON
	}
	for _, m := range img.Manifests {
		n.Platforms = append(n.Platforms, platformNode{m.Digest, platformName(m.Platform), m.Content == nil})
	}
	g.hold(img.ID, img.Content)
	for _, chain := range img.Chains() {
		if err := g.addLayers(ctx, stores, n, chain); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) addLayers(ctx context.Context, stores jettison.Stores, n *node, chain digest.Digest) error {
	for chain != "" {
		layer, err := stores.Images.Layer(ctx, chain)
		if err != nil {
			return err
		}
		known, ok := g.layers[chain]
		if !ok {
			known = &layerNode{ChainID: chain}
			for _, c := range layer.Content {
				known.Size += c.Size
			}
			g.layers[chain] = known
		}
		if slices.Contains(known.Images, n.ID) {
			return nil // the other platforms have it, and all below
		}
		known.Images = append(known.Images, n.ID)
		n.Layers = append(n.Layers, known)
		g.hold(n.ID, layer.Content)
		chain = layer.Parent
	}
	return nil
}

func (g *graph) hold(id digest.Digest, content []imagestore.Content) {
	for _, c := range content {
		piece, ok := g.content[c.Digest]
		if !ok {
			piece = &pieces{size: c.Size}
			g.content[c.Digest] = piece
		}
		if !slices.Contains(piece.images, id) {
			piece.images = append(piece.images, id)
		}
	}
}

func (g *graph) choose(id digest.Digest) {
	if g.images[id] != nil && !slices.Contains(g.roots, id) {
		g.roots = append(g.roots, id)
	}
}

// chooseRoots draws all images, from those that hang on no other. Of images that
// hang on each other in a circle the first is drawn.
func (g *graph) chooseRoots() {
	all := g.sorted()
	for _, id := range all {
		if n := g.images[id]; g.images[n.Parent] == nil && len(n.Subjects) == 0 {
			g.choose(id)
		}
	}
	for _, id := range all {
		if !slices.Contains(g.reached(), id) {
			g.choose(id)
		}
	}
}

// sorted are the IDs of all images, by name.
func (g *graph) sorted() []digest.Digest {
	ids := make([]digest.Digest, 0, len(g.images))
	for id := range g.images {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b digest.Digest) int {
		return cmp.Or(strings.Compare(g.name(a), g.name(b)), strings.Compare(a.String(), b.String()))
	})
	return ids
}

// reached are the images that are drawn, each once, in their order.
func (g *graph) reached() []digest.Digest {
	var found []digest.Digest
	seen := make(map[digest.Digest]bool)
	var walk func(id digest.Digest)
	walk = func(id digest.Digest) {
		if seen[id] || g.images[id] == nil {
			return
		}
		seen[id] = true
		found = append(found, id)
		for _, next := range slices.Concat(g.images[id].Referrers, g.images[id].Children) {
			walk(next)
		}
	}
	for _, root := range g.roots {
		walk(root)
	}
	return found
}

// name is the first name of an image, or its short ID.
func (g *graph) name(id digest.Digest) string {
	if n := g.images[id]; n != nil && len(n.Names) > 0 {
		return n.Names[0]
	}
	return conflict.Short(id.String())
}

// sharedWith are the names of the other images that have the layer.
func (g *graph) sharedWith(layer *layerNode, id digest.Digest) []string {
	var names []string
	for _, other := range layer.Images {
		if other != id {
			names = append(names, g.name(other))
		}
	}
	slices.Sort(names)
	return names
}

// platformName writes a platform as os/arch/variant.
func platformName(p ocispec.Platform) string {
	parts := slices.DeleteFunc([]string{p.OS, p.Architecture, p.Variant}, func(part string) bool { return part == "" })
	return cmp.Or(strings.Join(parts, "/"), "no platform")
}
