package jettison_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/storetest"
)

// model is a store and its engine in the plainest form, written from the
// numbered rules alone. It knows what every image is made of and counts
// whatever it needs to know by looking at all of it.
type model struct {
	now        time.Time
	images     map[digest.Digest]*modelImage
	ghosts     []*modelImage // deleted while unreadable: what they held stays (R5)
	refs       map[string]modelRef
	containers map[string]jettison.Container
	leases     map[string]modelLease // by ID
	used       map[digest.Digest]time.Time
}

type modelImage struct {
	record  imagestore.Image
	layers  []imagestore.Layer // base to top
	damaged bool
}

type modelRef struct {
	ref reference.Named
	id  digest.Digest
}

type modelLease struct {
	image   digest.Digest
	kind    string
	owner   string
	expires time.Time // zero is never
}

// lives is L2.
func (m *model) lives(l modelLease) bool { return l.expires.IsZero() || m.now.Before(l.expires) }

func newModel() *model {
	return &model{
		now:        time.Unix(1e9, 0).UTC().Add(10 * time.Hour),
		images:     make(map[digest.Digest]*modelImage),
		refs:       make(map[string]modelRef),
		containers: make(map[string]jettison.Container),
		leases:     make(map[string]modelLease),
		used:       make(map[digest.Digest]time.Time),
	}
}

// modelReport is what the model expects of one reference of a call.
type modelReport struct {
	Removed []string // IDs of containers
	Records []string
	Kept    []string
	Space   int64
	Err     string // class and text, or empty
}

// create adds an image, whose parent is there and readable or empty.
func (m *model) create(made storetest.Image) {
	record, layers, err := made.Record()
	if err != nil {
		panic(err)
	}
	if have := m.images[record.ID]; have != nil {
		if have.record.Parent == "" {
			have.record.Parent = record.Parent
		}
		return
	}
	m.images[record.ID] = &modelImage{record: record, layers: layers}
}

// remove takes an image away and returns the chain IDs of the layers that went,
// top to base, and the number of bytes (D12, P7).
func (m *model) remove(id digest.Digest) ([]string, int64) {
	before, bytesBefore := m.layerSet(), m.bytes()
	img := m.images[id]
	delete(m.images, id)
	maps.DeleteFunc(m.leases, func(_ string, l modelLease) bool { return l.image == id })
	for _, other := range m.images {
		if other.record.Parent == id {
			other.record.Parent = ""
		}
	}
	if img.damaged {
		m.ghosts = append(m.ghosts, img)
	}
	after := m.layerSet()
	var gone []string
	for _, layer := range slices.Backward(img.layers) {
		if _, stays := after[layer.ChainID]; !stays && before[layer.ChainID].ChainID != "" {
			gone = append(gone, "Deleted: "+layer.ChainID.String())
		}
	}
	return gone, bytesBefore - m.bytes()
}

// holdersOf are the images that hold layers and content, there or not.
func (m *model) holdersOf() []*modelImage {
	return append(slices.Collect(maps.Values(m.images)), m.ghosts...)
}

// layerSet is every layer that something holds, with its holders counted.
func (m *model) layerSet() map[digest.Digest]imagestore.Layer {
	set := make(map[digest.Digest]imagestore.Layer)
	for _, img := range m.holdersOf() {
		for _, layer := range img.layers {
			layer.Holders = 0
			set[layer.ChainID] = layer
		}
	}
	hold := func(chain digest.Digest) {
		if layer, ok := set[chain]; ok {
			layer.Holders++
			set[chain] = layer
		}
	}
	for _, chain := range slices.Collect(maps.Keys(set)) {
		hold(set[chain].Parent)
	}
	for _, img := range m.holdersOf() {
		hold(img.record.Layer)
	}
	return set
}

// contentSet is all content with its holders counted.
func (m *model) contentSet() map[digest.Digest]imagestore.Content {
	set := make(map[digest.Digest]imagestore.Content)
	hold := func(held []imagestore.Content) {
		for _, c := range held {
			c.Holders = set[c.Digest].Holders + 1
			set[c.Digest] = c
		}
	}
	for _, layer := range m.layerSet() {
		hold(layer.Content)
	}
	for _, img := range m.holdersOf() {
		hold(img.record.Content)
	}
	return set
}

func (m *model) bytes() int64 {
	var n int64
	for _, c := range m.contentSet() {
		n += c.Size
	}
	return n
}

// refsOf are the references to an image, by full string.
func (m *model) refsOf(id digest.Digest) []reference.Named {
	var found []reference.Named
	for _, name := range slices.Sorted(maps.Keys(m.refs)) {
		if m.refs[name].id == id {
			found = append(found, m.refs[name].ref)
		}
	}
	return found
}

// dump is the state in the lines of [storetest.Dump].
func (m *model) dump() []string {
	lines := make(map[string]bool)
	add := func(format string, args ...any) { lines[fmt.Sprintf(format, args...)] = true }
	content, layers := m.contentSet(), m.layerSet()
	text := func(held []imagestore.Content) string {
		var all []string
		for _, c := range held {
			all = append(all, fmt.Sprintf("%s/size=%d/holders=%d", c.Digest, c.Size, content[c.Digest].Holders))
		}
		return strings.Join(all, ",")
	}
	for id, img := range m.images {
		if img.damaged {
			add("image %s unreadable", id)
			continue
		}
		r := img.record
		add("image %s parent=%s created=%s platform=%v labels=%v layer=%s size=%d content=%s",
			id, r.Parent, r.Created.UTC().Format(time.RFC3339Nano), r.Platform, r.Labels, r.Layer, r.Size, text(r.Content))
		for _, l := range img.layers {
			add("layer %s diff=%s parent=%s holders=%d content=%s", l.ChainID, l.DiffID, l.Parent, layers[l.ChainID].Holders, text(l.Content))
		}
	}
	for _, c := range content {
		add("content %s size=%d holders=%d", c.Digest, c.Size, c.Holders)
	}
	for name, a := range m.refs {
		add("reference %s -> %s", name, a.id)
	}
	for _, c := range m.containers {
		mounts := slices.Sorted(slices.Values(c.Mounts))
		add("container %s name=%s image=%s mounts=%v running=%t", c.ID, c.Name, c.Image, mounts, c.Running)
	}
	for _, l := range m.leases {
		add("lease on %s kind=%s owner=%s expires=%s", l.image, l.kind, l.owner, l.expires.Format(time.RFC3339Nano))
	}
	return slices.Sorted(maps.Keys(lines))
}

// missingOrDamaged is the class of the error for an image that cannot be used,
// or empty.
func (m *model) missingOrDamaged(id digest.Digest) string {
	img := m.images[id]
	switch {
	case img == nil:
		return "NotFound"
	case img.damaged:
		return "Internal"
	}
	return ""
}

// classOf is the name of the one class of err.
func classOf(err error) string {
	for name, sentinel := range map[string]error{
		"InvalidArgument": jettison.ErrInvalidArgument, "NotFound": jettison.ErrNotFound, "Conflict": jettison.ErrConflict,
		"Unavailable": jettison.ErrUnavailable, "Internal": jettison.ErrInternal,
	} {
		if errors.Is(err, sentinel) {
			return name
		}
	}
	return ""
}
