package storetest

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// family is the images of most cases: base with its children app and tool,
// twin with the very layers of app, lone that shares nothing, and bare that
// has no layers.
type family struct{ base, app, twin, tool, lone, bare Image }

func newFamily() family {
	base := Spec{Name: "base", Layers: []string{"os"}, Created: time.Date(2024, 5, 1, 12, 0, 0, 5000, time.UTC)}.Image()
	return family{
		base: base,
		app:  Spec{Name: "app", Layers: []string{"os", "lib", "app"}, Parent: base.ID(), Labels: map[string]string{"b": "2", "a": "1"}}.Image(),
		twin: Spec{Name: "twin", Layers: []string{"os", "lib", "app"}}.Image(),
		tool: Spec{Name: "tool", Layers: []string{"os", "tool"}, Parent: base.ID()}.Image(),
		lone: Spec{
			Name: "lone", Layers: []string{"lone"}, LayerSize: 5000,
			Platform: ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		}.Image(),
		bare: Spec{Name: "bare"}.Image(),
	}
}

func (f family) images() []Image {
	return []Image{f.base, f.app, f.twin, f.tool, f.lone, f.bare}
}

// images is the family without references and uses.
func images() State { return State{Images: newFamily().images()} }

// names are those of the references in named state, by image.
type names struct{ app, tool []string }

func familyNames() names {
	f := newFamily()
	return names{
		// sorted by full string
		app: []string{
			"app:1.0", "app:latest", "app@" + f.app.ID().String(),
			"localhost:5000/app:1.0", "quay.io/team/app:1.0",
		},
		tool: []string{"tool:2"},
	}
}

// referenced is the family with references.
func referenced() State {
	f, n, st := newFamily(), familyNames(), images()
	for i := range n.app { // not in order
		st.References = append(st.References, Reference{Name: n.app[len(n.app)-1-i], Image: f.app.ID()})
	}
	st.References = append(st.References, Reference{Name: n.tool[0], Image: f.tool.ID()})
	return st
}

// missing is the ID of an image and the chain ID of a layer in no state.
func missing() digest.Digest { return digest.FromString("missing") }

// danglingState has references to an image that is not there.
func danglingState() State {
	st := referenced()
	st.References = append(st.References, Reference{Name: "gone:1", Image: missing()})
	return st
}

// used is the family with references, containers and a lease.
func used() State {
	f, st := newFamily(), referenced()
	st.Containers = []jettison.Container{
		{ID: "c1", Name: "web", Image: f.app.ID(), Running: true},
		{ID: "c2", Image: f.tool.ID(), Mounts: []digest.Digest{f.lone.ID(), f.base.ID()}},
		{ID: "c3", Name: "self", Image: f.lone.ID(), Mounts: []digest.Digest{f.lone.ID()}},
	}
	st.Leases = []Lease{{Image: f.base.ID(), Lease: pull("l1", "pull of base")}}
	return st
}

// idle is the state used, but that no container was created from tool: a store may
// refuse to delete an image before the containers that were.
func idle() State {
	st := used()
	st.Containers[1].Image = newFamily().twin.ID()
	return st
}

// pull is a lease without an end.
func pull(id, owner string) conflict.Lease {
	return conflict.Lease{ID: id, Kind: conflict.LeasePull, Owner: owner}
}

// crowd is images without layers, enough for several to share the first digits
// of their IDs.
func crowd() State {
	var st State
	for i := range 48 {
		st.Images = append(st.Images, Spec{Name: fmt.Sprintf("one of many %d", i)}.Image())
	}
	return st
}

// sharedContent has two images whose different layers have equal content.
func sharedContent() State {
	return State{Images: []Image{
		Spec{Name: "first", Layers: []string{"equal-1"}, LayerSize: len("layer equal-")}.Image(),
		Spec{Name: "second", Layers: []string{"equal-2"}, LayerSize: len("layer equal-")}.Image(),
	}}
}
