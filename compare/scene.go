package compare

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/refstore"
)

// An Engine is one side of the comparison.
type Engine interface {
	// Build starts afresh with the contents of the scene.
	Build(ctx context.Context, scene Scene) error
	// Delete makes a call of ImageDelete and reports everything that can be
	// seen of it.
	Delete(ctx context.Context, call Call) (Outcome, error)
	// Prune does the same with a call of ImagesPrune.
	Prune(ctx context.Context, call Call) (Outcome, error)
	// State is what the stores hold now.
	State(ctx context.Context) (State, error)
	// Close frees what the engine holds.
	Close() error
}

// A Scenario is a scene and the calls made on it, one after another.
type Scenario struct {
	Scene Scene
	Calls []Call
}

// A Scene is what a store holds.
type Scene struct {
	// Images are in an order in which parents come before their children.
	Images []Image
	// References are in any order.
	References []refstore.Association
	// Containers have IDs of their own and no names.
	Containers []conflict.Container
}

// An Image is an image of a scene.
type Image struct {
	// ID is the digest of Config.
	ID digest.Digest
	// Config is the image configuration.
	Config []byte
	// Parent is the ID of the parent, or empty.
	Parent digest.Digest
	// DiffIDs are those in Config, base to top.
	DiffIDs []digest.Digest
	// Lost says that the record is missing: references and children still
	// name the image. A lost image has no layers.
	Lost bool
	// Seen, if not nil, is what Docker is told for a prune, in place of what
	// Config says. Only differences set it.
	Seen *Seen
}

// Seen are the things in a configuration that a prune looks at.
type Seen struct {
	// Created is the time of creation, or nil.
	Created *time.Time
	// Labels are the labels.
	Labels map[string]string
}

// ChainIDs are the chain IDs of the image's layers, base to top.
func (i Image) ChainIDs() []digest.Digest {
	return identity.ChainIDs(slices.Clone(i.DiffIDs))
}

// LayerSize is the number of bytes of the layer with this diff ID, on either
// side.
func LayerSize(diffID digest.Digest) int64 {
	n, err := strconv.ParseInt(diffID.Encoded()[:4], 16, 64)
	if err != nil {
		return 1
	}
	return 1 + n
}

// A Call is one ImageDelete, or one ImagesPrune if it has Filters.
type Call struct {
	// Ref is the text as typed.
	Ref string
	// Force, Prune and Platforms are the options of the call.
	Force     bool
	Prune     bool
	Platforms []ocispec.Platform
	// Filters are those of an ImagesPrune, perhaps empty; nil otherwise.
	Filters filter.Args
	// Repeat has Docker prune until nothing more goes. Only differences set it.
	Repeat bool
}

// prunes reports whether the call is an ImagesPrune.
func (c Call) prunes() bool { return c.Filters != nil }

// An Outcome is all that can be seen of a call.
type Outcome struct {
	// Records are the records in order; nil and empty are not the same.
	Records []Record
	// Failure is the error; zero when there is none.
	Failure Failure
	// Events are the events in order.
	Events []Event
	// Reclaimed is the number of bytes that a prune says have gone.
	Reclaimed int64
	// Turns are the images that had no children before a prune and went, in
	// the order in which they went.
	Turns []digest.Digest
	// After is what the stores hold after the call.
	After State
}

// A Record is what the API returns for one thing that went: the reference that was
// untagged, or the ID that was deleted.
type Record struct{ Untagged, Deleted string }

// A Failure is an error as its receiver sees it: its class and its text.
type Failure struct{ Class, Text string }

// An Event is an event without its time.
type Event struct {
	// Action is what happened, ID the image, Name what the event calls it.
	Action, ID, Name string
	// Reclaimed is the number of bytes, for a prune.
	Reclaimed string
}

// State is what stores hold.
type State struct {
	// Images are the images by ID.
	Images map[digest.Digest]Links
	// References are the image IDs by the full reference.
	References map[string]digest.Digest
	// Layers are the numbers of holders by chain ID.
	Layers map[digest.Digest]int
}

// Links are the links of an image, both ways: its parent and its children.
type Links struct {
	Parent   digest.Digest
	Children []digest.Digest
}

// Image returns the image with this ID, lost or not.
func (s Scene) Image(id digest.Digest) (Image, bool) {
	i := slices.IndexFunc(s.Images, func(img Image) bool { return img.ID == id })
	if i < 0 {
		return Image{}, false
	}
	return s.Images[i], true
}

// At returns the scene as it is in a later state: with the images, parents and
// references of the state. Lost images and containers stay.
func (s Scene) At(state State) (Scene, error) {
	later := Scene{Containers: s.Containers}
	for _, img := range s.Images {
		links, ok := state.Images[img.ID]
		if ok {
			img.Parent = links.Parent
		}
		if ok || img.Lost {
			later.Images = append(later.Images, img)
		}
	}
	for name, id := range state.References {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return Scene{}, err
		}
		later.References = append(later.References, refstore.Association{Ref: ref, ID: id})
	}
	slices.SortFunc(later.References, byName)
	return later, nil
}

// ReferencesTo returns the references to the image, sorted by their full string.
func (s Scene) ReferencesTo(id digest.Digest) []reference.Named {
	var refs []reference.Named
	for _, a := range slices.SortedFunc(slices.Values(s.References), byName) {
		if a.ID == id {
			refs = append(refs, a.Ref)
		}
	}
	return refs
}

func byName(a, b refstore.Association) int {
	if a.Ref.String() < b.Ref.String() {
		return -1
	}
	return 1
}

// clone returns a copy whose records and events can be changed.
func (o Outcome) clone() Outcome {
	o.Records = slices.Clone(o.Records)
	o.Events = slices.Clone(o.Events)
	return o
}
