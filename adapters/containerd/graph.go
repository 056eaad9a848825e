package containerd

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// The labels by which containerd's garbage collector knows what needs what.
const (
	gcRoot        = "containerd.io/gc.root"
	gcRefContent  = "containerd.io/gc.ref.content"
	gcRefSnapshot = "containerd.io/gc.ref.snapshot."
	gcRefLayer    = gcRefContent + ".l."
	gcBackRef     = "containerd.io/gc.bref."
	gcContainer   = gcBackRef + "container"
	gcExpire      = "containerd.io/gc.expire"
	gcFlat        = "containerd.io/gc.flat"
)

// A graph is what needs what, as the labels of content and the parents of
// snapshots tell; a blob is read only where it has no labels.
type graph struct {
	blobs  map[digest.Digest]*blob
	layers map[digest.Digest]*layer // by chain ID
	tree   *tree
	owned  map[digest.Digest]owned  // what images need, by target
	shared map[digest.Digest]bool   // content that other namespaces have too
	rooted map[snapshotKey]bool     // snapshots that something else than an image holds
	chains map[snapshotKey][]*layer // of the snapshots that manifests are unpacked to
}

// A layer is a snapshot of an image, whatever snapshotters have it.
type layer struct {
	imagestore.Layer
	below *layer // nil for the lowest
	// content is what it was unpacked from, if its images agree on that; else nil.
	content *blob
	claimed bool // by an image that says what it was unpacked from
	// config is a configuration that is unpacked to it.
	config digest.Digest
}

// A blob is content with what it refers to.
type blob struct {
	digest    digest.Digest
	size      int64
	refs      []blobRef
	snapshots []snapshotKey
	root      bool
	top       *layer // of a manifest: the topmost layer that it is unpacked to, or nil
	holders   int
	images    []digest.Digest // those that have it, but for that of their layers
}

// A blobRef is a label that names other content.
type blobRef struct {
	label string
	to    digest.Digest
	blob  *blob // nil when it is not there
}

// An owned is what an image needs: its content but for that of its layers, and
// the topmost of those.
type owned struct {
	content []*blob
	tops    []*layer
}

// loadGraph looks at all content and all snapshots of the namespace, once. Content
// and uses are looked at side by side, and the snapshots after them: of what they
// speak, what was there before them is found.
func (s *state) loadGraph(ctx context.Context) (*graph, error) {
	if s.graph != nil {
		return s.graph, nil
	}
	g := newGraph()
	var u *uses
	err := together(ctx,
		func(ctx context.Context) error { return s.walkContent(ctx, g) },
		func(ctx context.Context) (err error) { u, err = s.loadUses(ctx); return err },
		func(ctx context.Context) (err error) { g.shared, err = s.sharedContent(ctx); return err },
	)
	if err != nil {
		return nil, err
	}
	names := snapshotters(g, u)
	for _, id := range s.ids() {
		if err := (unlabelled{s, g, names}).complete(ctx, id, 1); err != nil {
			return nil, err
		}
	}
	if g.tree, err = s.backend.walkSnapshots(s.here(ctx), names); err != nil {
		return nil, err
	}
	g.count(s, u)
	s.graph = g
	return g, nil
}

// walkContent notes what there is.
func (s *state) walkContent(ctx context.Context, g *graph) error {
	return failed("walk content", s.backend.services.Content.Walk(s.here(ctx), func(info content.Info) error {
		g.blobs[info.Digest] = newBlob(info)
		return nil
	}))
}

func newGraph() *graph {
	return &graph{
		blobs:  make(map[digest.Digest]*blob),
		layers: make(map[digest.Digest]*layer),
		owned:  make(map[digest.Digest]owned),
		chains: make(map[snapshotKey][]*layer),
	}
}

func newBlob(info content.Info) *blob {
	b := &blob{digest: info.Digest, size: info.Size}
	for label, value := range info.Labels {
		switch {
		case label == gcRoot:
			b.root = true
		case strings.HasPrefix(label, gcRefSnapshot):
			name, _, _ := strings.Cut(strings.TrimPrefix(label, gcRefSnapshot), "/")
			b.snapshots = append(b.snapshots, snapshotKey{name, value})
		case label == gcRefContent, strings.HasPrefix(label, gcRefContent+"."), strings.HasPrefix(label, gcRefContent+"/"):
			b.refs = append(b.refs, blobRef{label: label, to: digest.Digest(value)})
		}
	}
	slices.SortFunc(b.refs, func(a, b blobRef) int { return compareLabels(a.label, b.label) })
	return b
}

// compareLabels puts "….l.2" before "….l.10".
func compareLabels(a, b string) int {
	if len(a) != len(b) && strings.HasPrefix(a, gcRefLayer) && strings.HasPrefix(b, gcRefLayer) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// link looks up what each blob refers to, once.
func (g *graph) link() {
	for _, b := range g.blobs {
		for i := range b.refs {
			b.refs[i].blob = g.blobs[b.refs[i].to]
		}
	}
}

// reach is the content that is reached from these digests and is there, each once,
// what comes first before what it refers to.
func (g *graph) reach(from ...digest.Digest) []*blob {
	var found []*blob
	seen := make(map[*blob]bool)
	add := func(b *blob) {
		if b != nil && !seen[b] {
			seen[b] = true
			found = append(found, b)
		}
	}
	for _, dgst := range from {
		add(g.blobs[dgst])
	}
	for i := 0; i < len(found); i++ {
		for _, ref := range found[i].refs {
			add(ref.blob)
		}
	}
	return found
}

// own is what an image needs.
func (g *graph) own(id digest.Digest) owned { return g.owned[id] }

// findOwned finds out what the images need: first what they are unpacked to, for what
// a layer was unpacked from is known when all have spoken, and then which content
// they have besides that of their layers.
func (g *graph) findOwned(ids []digest.Digest) {
	for _, id := range ids {
		o := owned{content: g.reach(id)}
		for _, b := range o.content {
			if top := g.unpack(b); top != nil && !slices.Contains(o.tops, top) {
				o.tops = append(o.tops, top)
			}
		}
		g.owned[id] = o
	}
	for _, id := range ids {
		o := g.owned[id]
		o.content = slices.DeleteFunc(o.content, o.isInLayers)
		g.owned[id] = o
	}
}

// isInLayers reports whether content is what one of the layers was unpacked from.
func (o owned) isInLayers(b *blob) bool {
	for _, top := range o.tops {
		for l := top; l != nil; l = l.below {
			if l.content == b {
				return true
			}
		}
	}
	return false
}

// unpack returns the topmost layer that a manifest is unpacked to, if it is one and
// unpacked, and notes which content each layer is of: the labels of the manifest
// number it.
func (g *graph) unpack(manifest *blob) *layer {
	var content []*blob
	var config digest.Digest
	var top snapshotKey
	for _, ref := range manifest.refs {
		if strings.HasPrefix(ref.label, gcRefLayer) {
			content = append(content, ref.blob)
		} else if ref.blob != nil && top.name == "" {
			config, top = ref.to, g.tree.first(ref.blob.snapshots)
		}
	}
	chain := g.chain(top)
	for i, l := range chain {
		if len(content) == len(chain) {
			l.claim(content[i])
		} else {
			l.claim(nil)
		}
		l.config = config
		manifest.top = l
	}
	return manifest.top
}

// chain are the layers of a snapshot, base to top, each made once.
func (g *graph) chain(top snapshotKey) []*layer {
	if known, ok := g.chains[top]; ok {
		return known
	}
	var layers []*layer
	var below *layer
	for _, id := range g.tree.chain(top) {
		l := g.layers[id]
		if l == nil {
			l = &layer{Layer: imagestore.Layer{ChainID: id}, below: below}
			if below != nil {
				l.Parent = below.ChainID
			}
			g.layers[id] = l
		}
		layers, below = append(layers, l), l
	}
	g.chains[top] = layers
	return layers
}

// claim notes the content that a layer was unpacked from, as an image says. Where
// images do not agree on that, it belongs to each of them and not to the layer.
func (l *layer) claim(content *blob) {
	if !l.claimed {
		l.claimed, l.content = true, content
	}
	if l.content != content {
		l.content = nil
	}
}

// uncounted is the same content before anything was counted.
func (b *blob) uncounted() *blob {
	return &blob{digest: b.digest, size: b.size, refs: slices.Clone(b.refs), snapshots: b.snapshots, root: b.root}
}

// having are the images that have the content, but for that of their layers.
func (g *graph) having(dgst digest.Digest) []digest.Digest {
	if b := g.blobs[dgst]; b != nil {
		return b.images
	}
	return nil
}
