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
	owned  map[digest.Digest]owned           // what images need, by target
	held   map[digest.Digest]int             // holders of content
	having map[digest.Digest][]digest.Digest // images that have content beside that of layers
	shared map[digest.Digest]bool            // content that other namespaces have too
	rooted map[snapshotKey]bool              // snapshots that something else than an image holds
}

// A layer is a snapshot of an image, whatever snapshotters have it.
type layer struct {
	imagestore.Layer
	// content is what it was unpacked from, if its images agree on that.
	content digest.Digest
	// config is a configuration that is unpacked to it.
	config digest.Digest
}

// A blob is content with what it refers to.
type blob struct {
	size      int64
	refs      []blobRef
	snapshots []snapshotKey
	root      bool
	top       digest.Digest // of a manifest: the topmost layer that it is unpacked to
}

// A blobRef is a label that names other content.
type blobRef struct {
	label string
	to    digest.Digest
}

// An owned is what an image needs: its content but for that of its layers, and
// the chain IDs of the topmost of those.
type owned struct {
	content []digest.Digest
	tops    []digest.Digest
}

// loadGraph looks at all content and all snapshots of the namespace, once.
func (s *state) loadGraph(ctx context.Context) (*graph, error) {
	if s.graph != nil {
		return s.graph, nil
	}
	g := newGraph()
	err := s.backend.services.Content.Walk(s.here(ctx), func(info content.Info) error {
		g.blobs[info.Digest] = newBlob(info)
		return nil
	})
	if err != nil {
		return nil, failed("walk content", err)
	}
	u, err := s.loadUses(ctx)
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
	if g.shared, err = s.sharedContent(ctx); err != nil {
		return nil, err
	}
	g.count(s, u)
	s.graph = g
	return g, nil
}

func newGraph() *graph {
	return &graph{
		blobs:  make(map[digest.Digest]*blob),
		layers: make(map[digest.Digest]*layer),
		owned:  make(map[digest.Digest]owned),
		held:   make(map[digest.Digest]int),
		having: make(map[digest.Digest][]digest.Digest),
	}
}

func newBlob(info content.Info) *blob {
	b := &blob{size: info.Size}
	for label, value := range info.Labels {
		switch {
		case label == gcRoot:
			b.root = true
		case strings.HasPrefix(label, gcRefSnapshot):
			name, _, _ := strings.Cut(strings.TrimPrefix(label, gcRefSnapshot), "/")
			b.snapshots = append(b.snapshots, snapshotKey{name, value})
		case label == gcRefContent, strings.HasPrefix(label, gcRefContent+"."), strings.HasPrefix(label, gcRefContent+"/"):
			b.refs = append(b.refs, blobRef{label, digest.Digest(value)})
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

// reach calls visit for the content that is reached from these digests and is
// there, each once, what comes first before what it refers to.
func (g *graph) reach(from []digest.Digest, visit func(digest.Digest, *blob)) {
	seen := make(map[digest.Digest]bool)
	todo := slices.Clone(from)
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		b, ok := g.blobs[next]
		if !ok || seen[next] {
			continue
		}
		seen[next] = true
		visit(next, b)
		for _, ref := range b.refs {
			todo = append(todo, ref.to)
		}
	}
}

// own is what an image needs.
func (g *graph) own(id digest.Digest) owned { return g.owned[id] }

// unpacked notes what every image is unpacked to.
func (g *graph) unpacked(ids []digest.Digest) {
	for _, id := range ids {
		var o owned
		g.reach([]digest.Digest{id}, func(_ digest.Digest, b *blob) {
			if top := g.unpack(b); top != "" && !slices.Contains(o.tops, top) {
				o.tops = append(o.tops, top)
			}
		})
		g.owned[id] = o
	}
}

// needed notes which content every image needs besides that of its layers.
func (g *graph) needed(ids []digest.Digest) {
	for _, id := range ids {
		o := g.owned[id]
		inLayers := make(map[digest.Digest]bool)
		for _, top := range o.tops {
			for chain := top; chain != ""; chain = g.layers[chain].Parent {
				if of := g.layers[chain].content; of != "" {
					inLayers[of] = true
				}
			}
		}
		g.reach([]digest.Digest{id}, func(dgst digest.Digest, _ *blob) {
			if !inLayers[dgst] {
				o.content = append(o.content, dgst)
			}
		})
		g.owned[id] = o
	}
}

// unpack returns the chain ID of the topmost layer that a manifest is unpacked
// to, if it is one and unpacked, and notes which content each layer is of: the
// labels of the manifest number it.
func (g *graph) unpack(manifest *blob) digest.Digest {
	var content []digest.Digest
	var config digest.Digest
	var top snapshotKey
	for _, ref := range manifest.refs {
		if strings.HasPrefix(ref.label, gcRefLayer) {
			content = append(content, ref.to)
		} else if other := g.blobs[ref.to]; other != nil && top.name == "" {
			config, top = ref.to, g.tree.first(other.snapshots)
		}
	}
	chain := g.tree.chain(top)
	if len(content) != len(chain) {
		content = make([]digest.Digest, len(chain))
	}
	var below digest.Digest
	for i, id := range chain {
		g.addLayer(id, below, content[i]).config = config
		below = id
	}
	manifest.top = below
	return below
}

// addLayer notes a layer and the content that it was unpacked from. Where images
// do not agree on that, it belongs to each of them and not to the layer.
func (g *graph) addLayer(id, below, content digest.Digest) *layer {
	if g.blobs[content] == nil {
		content = ""
	}
	known, ok := g.layers[id]
	if !ok {
		known = &layer{Layer: imagestore.Layer{ChainID: id, Parent: below}, content: content}
		g.layers[id] = known
	}
	if known.content != content {
		known.content = ""
	}
	return known
}
