package compare

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
)

// A Mismatch is a call whose outcome nothing explains.
type Mismatch struct {
	// Scenario is the whole scenario, and Call the index of the call in it.
	Scenario Scenario
	Call     int
	// Before is what both sides held before the call.
	Before Scene
	// Got is what the engine did, Docker what Docker did.
	Got, Docker Outcome
	// Diff shows the engine's outcome (-) against the expected one (+).
	Diff string
	// Applied are the IDs of the differences applied to Docker's outcome.
	Applied []string
}

// String shows the state before the call, the call and both outcomes.
func (m *Mismatch) String() string {
	return fmt.Sprintf("before:\n%s%s\nengine:\n%sDocker:\n%sdifferences applied: %s\nengine (-) against expected (+):\n%s",
		m.Before, m.Scenario.Calls[m.Call], m.Got, m.Docker, strings.Join(m.Applied, ", "), m.Diff)
}

// Shrink returns the mismatch of a scenario that is as small as dropping calls,
// containers, references and images makes it.
func (c *Comparison) Shrink(ctx context.Context, m *Mismatch) (*Mismatch, error) {
	for {
		smaller, err := c.shrinkOnce(ctx, m)
		if err != nil || smaller == nil {
			return m, err
		}
		m = smaller
	}
}

// shrinkOnce returns the mismatch of a smaller scenario, or nil.
func (c *Comparison) shrinkOnce(ctx context.Context, m *Mismatch) (*Mismatch, error) {
	for _, candidate := range smaller(m.Scenario) {
		found, err := c.Run(ctx, candidate)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// smaller returns the scenario with one thing less, each thing in turn.
func smaller(s Scenario) []Scenario {
	var all []Scenario
	for i := range s.Calls {
		all = append(all, Scenario{Scene: s.Scene, Calls: without(s.Calls, i)})
	}
	for i := range s.Scene.Containers {
		scene := s.Scene
		scene.Containers = without(scene.Containers, i)
		all = append(all, Scenario{Scene: scene, Calls: s.Calls})
	}
	for i := range s.Scene.References {
		scene := s.Scene
		scene.References = without(scene.References, i)
		all = append(all, Scenario{Scene: scene, Calls: s.Calls})
	}
	for _, img := range s.Scene.Images {
		if !s.Scene.needs(img.ID) {
			scene := s.Scene
			scene.Images = slices.DeleteFunc(slices.Clone(scene.Images), func(i Image) bool { return i.ID == img.ID })
			all = append(all, Scenario{Scene: scene, Calls: s.Calls})
		}
	}
	return all
}

func without[T any](all []T, i int) []T { return slices.Delete(slices.Clone(all), i, i+1) }

// needs reports whether something in the scene names the image.
func (s Scene) needs(id digest.Digest) bool {
	for _, c := range s.Containers {
		if c.Image == id || slices.Contains(c.Mounts, id) {
			return true
		}
	}
	child := slices.ContainsFunc(s.Images, func(i Image) bool { return i.Parent == id })
	return child || len(s.ReferencesTo(id)) > 0
}

// String lists what the scene holds, a line each.
func (s Scene) String() string {
	var b strings.Builder
	for _, img := range s.Images {
		fmt.Fprintf(&b, "  image %s", img.ID)
		if img.Parent != "" {
			fmt.Fprintf(&b, " parent %.19s", img.Parent)
		}
		for _, chain := range img.ChainIDs() {
			fmt.Fprintf(&b, " layer %.19s", chain)
		}
		if img.Lost {
			b.WriteString(" (record missing)")
		}
		seen := img.seen()
		fmt.Fprintf(&b, " created %v labels %v", seen.Created, seen.Labels)
		b.WriteString("\n")
	}
	for _, a := range s.References {
		fmt.Fprintf(&b, "  reference %s to %.19s\n", a.Ref, a.ID)
	}
	for _, c := range s.Containers {
		fmt.Fprintf(&b, "  container %.12s of %.19s running=%t", c.ID, c.Image, c.Running)
		for _, id := range c.Mounts {
			fmt.Fprintf(&b, " mounts %.19s", id)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// String is the call as its caller writes it.
func (c Call) String() string {
	if c.prunes() {
		return fmt.Sprintf("ImagesPrune(%q)", c.Filters.KeyValues())
	}
	var wanted []string
	for _, p := range c.Platforms {
		wanted = append(wanted, platforms.FormatAll(p))
	}
	return fmt.Sprintf("ImageDelete(%q, force=%t, prune=%t, platforms=%v)", c.Ref, c.Force, c.Prune, wanted)
}

// String lists the records, the events and the error, a line each.
func (o Outcome) String() string {
	var b strings.Builder
	for _, r := range o.Records {
		fmt.Fprintf(&b, "  record %+v\n", r)
	}
	for _, e := range o.Events {
		fmt.Fprintf(&b, "  event %s %.19s name %s %s\n", e.Action, e.ID, e.Name, e.Reclaimed)
	}
	if o.Failure != (Failure{}) {
		fmt.Fprintf(&b, "  error (%s) %s\n", o.Failure.Class, o.Failure.Text)
	}
	return b.String()
}
