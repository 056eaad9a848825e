package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/layer"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
)

// A Difference is a deliberate one: a rule by which this engine does not do
// what Docker does. The random comparison does not skip calls that meet it; it
// turns what Docker does into what the rule demands, by one or both of these:
type Difference struct {
	// ID is the row of the table in docs/semantics.md.
	ID string
	// Applies reports whether the call meets the difference.
	Applies func(before Scene, call Call) bool
	// Adapt changes what Docker is given; nil when nothing.
	Adapt func(before Scene, call Call) (Scene, Call)
	// Amend changes what Docker answered; nil when nothing.
	Amend func(before Scene, call Call, out Outcome) Outcome
}

// Differences are those that a random scenario can meet, in the order in which
// they are applied.
func Differences() []Difference {
	return []Difference{
		{ID: "docker-D13", Applies: hasMounts, Adapt: mountsAsUses},
		{ID: "docker-D11", Applies: prunesPastLost, Adapt: withoutLostParents, Amend: restoreParents},
		{ID: "docker-R5", Applies: namesLost, Adapt: recoverNamed, Amend: onlyUntagged},
		{ID: "docker-R4", Applies: nameLooksLikeID, Adapt: nameWithTag, Amend: textAsTyped},
		{ID: "docker-R1", Applies: isMalformed, Amend: reasonWithText},
		{ID: "docker-R3-short", Applies: isShortPrefix, Amend: notFound},
		{ID: "docker-R3-ambiguous", Applies: isAmbiguous, Amend: candidates},
		{ID: "docker-R6", Applies: hasTagAndDigest, Amend: whatWasMeant},
		{ID: "docker-D3", Applies: takesDigests, Amend: eventForEach},
		{ID: "docker-E2", Applies: always, Amend: nameInUntag},
	}
}

func always(Scene, Call) bool { return true }

// resolves reports whether the call gets as far as its text (rule R8).
func resolves(call Call) bool { return len(call.Platforms) <= 1 }

// D13: Docker looks at mounts only before it removes a reference. It is given
// each mount as one more container created from the image, with the same ID.

func hasMounts(before Scene, _ Call) bool {
	return slices.ContainsFunc(before.Containers, func(c conflict.Container) bool { return len(c.Mounts) > 0 })
}

func mountsAsUses(before Scene, call Call) (Scene, Call) {
	before.Containers = slices.Clone(before.Containers)
	for _, c := range before.Containers {
		for _, id := range c.Mounts {
			before.Containers = append(before.Containers, conflict.Container{ID: c.ID, Image: id, Running: c.Running})
		}
	}
	return before, call
}

// D11: Docker loses the records when a parent link leads nowhere. It is given
// the images without such links.

func prunesPastLost(before Scene, call Call) bool {
	img, ok := before.Image(read(before, call.Ref).image())
	for ok && !lostParent(before, img) {
		img, ok = before.Image(img.Parent)
	}
	return ok && call.Prune
}

func lostParent(scene Scene, img Image) bool {
	parent, ok := scene.Image(img.Parent)
	return !img.Lost && ok && parent.Lost
}

func withoutLostParents(before Scene, call Call) (Scene, Call) {
	images := slices.Clone(before.Images)
	for i, img := range images {
		if lostParent(before, img) {
			images[i].Parent = ""
		}
	}
	before.Images = images
	return before, call
}

func restoreParents(before Scene, _ Call, out Outcome) Outcome {
	out.After.Images = maps.Clone(out.After.Images)
	for _, img := range before.Images {
		if links, left := out.After.Images[img.ID]; left && lostParent(before, img) {
			links.Parent = img.Parent
			out.After.Images[img.ID] = links
		}
	}
	return out
}

// R5: to Docker a reference to a missing image does not exist. It is given the
// image; what it reports beyond untagging is struck.

func namesLost(before Scene, call Call) bool {
	img, ok := before.Image(read(before, call.Ref).named)
	return ok && img.Lost && resolves(call)
}

func recoverNamed(before Scene, call Call) (Scene, Call) {
	id := read(before, call.Ref).named
	before.Images = slices.Clone(before.Images)
	for i, img := range before.Images {
		if img.ID == id {
			before.Images[i].Lost, before.Images[i].Parent = false, ""
		}
	}
	return before, call
}

func onlyUntagged(before Scene, call Call, out Outcome) Outcome {
	id := read(before, call.Ref).named
	if len(call.Platforms) > 0 { // nothing says whether the platform matches
		return notFound(before, call, out)
	}
	out.Records = slices.DeleteFunc(out.Records, func(r Record) bool { return r.Deleted != "" })
	out.Events = slices.DeleteFunc(out.Events, func(e Event) bool { return e.Action == "delete" })
	out.After.Images = maps.Clone(out.After.Images)
	delete(out.After.Images, id)
	return out
}

// R4: Docker takes a repository for an ID when its name begins one. It is given
// the name with the tag that it implies.

func nameLooksLikeID(before Scene, call Call) bool {
	id := read(before, call.Ref).named
	return id != "" && beginsID(id, call.Ref)
}

func nameWithTag(before Scene, call Call) (Scene, Call) {
	call.Ref += ":latest"
	return before, call
}

func textAsTyped(_ Scene, call Call, out Outcome) Outcome {
	for _, format := range []string{"%q (must force)", "image with reference %s was found"} {
		out.Failure.Text = strings.Replace(out.Failure.Text, fmt.Sprintf(format, call.Ref+":latest"), fmt.Sprintf(format, call.Ref), 1)
	}
	return out
}

// R1: Docker gives the parser's reason without the text.

func isMalformed(before Scene, call Call) bool {
	return read(before, call.Ref).malformed && resolves(call)
}

func reasonWithText(_ Scene, call Call, out Outcome) Outcome {
	out.Failure.Text = fmt.Sprintf("%q is not an image reference: %s", call.Ref, out.Failure.Text)
	if strings.TrimSpace(call.Ref) == "" {
		out.Failure.Text = "image reference is empty"
	}
	return out
}

// R3: Docker takes a prefix of any length, and says of an ambiguous one that
// there is no such image.

func isShortPrefix(before Scene, call Call) bool {
	r := read(before, call.Ref)
	return r.prefixOnly() && r.digits < 4 && len(r.begun) == 1 && resolves(call)
}

func notFound(before Scene, call Call, _ Outcome) Outcome {
	name := reference.FamiliarString(read(before, call.Ref).ref)
	return refusal(before, "NotFound", "No such image: "+name)
}

func isAmbiguous(before Scene, call Call) bool {
	r := read(before, call.Ref)
	return r.prefixOnly() && r.digits >= 4 && len(r.begun) > 1 && resolves(call)
}

func candidates(before Scene, call Call, _ Outcome) Outcome {
	var ids []string
	for _, id := range read(before, call.Ref).begun {
		ids = append(ids, id.String())
	}
	text := fmt.Sprintf("image ID prefix %q is ambiguous, it fits: %s", call.Ref, strings.Join(ids, ", "))
	return refusal(before, "InvalidArgument", text)
}

// refusal is the outcome of a call that changes nothing.
func refusal(before Scene, class, text string) Outcome {
	return Outcome{Failure: Failure{Class: class, Text: text}, After: before.State()}
}

// R6: Docker's record, or its error, names the tag that was typed beside the
// digest.

func hasTagAndDigest(before Scene, call Call) bool {
	r := read(before, call.Ref)
	return r.ref != nil && r.ref.String() != r.stored().String()
}

func whatWasMeant(before Scene, call Call, out Outcome) Outcome {
	r := read(before, call.Ref)
	typed, meant := reference.FamiliarString(r.ref), reference.FamiliarString(r.stored())
	for i, record := range out.Records {
		if record.Untagged == typed {
			out.Records[i].Untagged = meant
		}
	}
	if out.Failure.Text == "No such image: "+typed {
		out.Failure.Text = "No such image: " + meant
	}
	return out
}

// D3: Docker sends no event for the digest references that go with the last tag
// of their repository.

func takesDigests(before Scene, call Call) bool {
	r := read(before, call.Ref)
	if r.named == "" || isDigest(r.ref) {
		return false
	}
	digests := 0
	for _, ref := range before.ReferencesTo(r.named) {
		switch {
		case ref.Name() != r.ref.Name() || ref.String() == r.ref.String():
		case isDigest(ref):
			digests++
		default:
			return false // another tag
		}
	}
	return digests > 0
}

func isDigest(ref reference.Named) bool {
	_, ok := ref.(reference.Canonical)
	return ok
}

func eventForEach(before Scene, call Call, out Outcome) Outcome {
	if len(out.Events) == 0 {
		return out
	}
	untag := out.Events[0]
	for _, ref := range before.ReferencesTo(read(before, call.Ref).named) {
		if isDigest(ref) && ref.Name() == read(before, call.Ref).ref.Name() {
			out.Events = slices.Insert(out.Events, 1, untag)
		}
	}
	return out
}

// E2: Docker's event of an untag has the image's ID for a name.

func nameInUntag(_ Scene, _ Call, out Outcome) Outcome {
	var names []string
	for _, record := range out.Records {
		if record.Untagged != "" {
			names = append(names, record.Untagged)
		}
	}
	for i, e := range out.Events {
		if e.Action == "untag" && e.Name == e.ID && len(names) > 0 {
			out.Events[i].Name, names = names[0], names[1:]
		}
	}
	return out
}

// State is the state of stores that hold the scene.
func (s Scene) State() State {
	state := State{
		Images:     make(map[digest.Digest]Links),
		References: make(map[string]digest.Digest),
	}
	counted := layers{}
	for _, img := range s.Images {
		if img.Lost {
			continue
		}
		state.Images[img.ID] = Links{Parent: img.Parent, Children: s.children(img.ID)}
		counted.register(img)
		if chain := img.ChainIDs(); len(chain) > 0 {
			_, _ = counted.Get(layer.ChainID(chain[len(chain)-1]))
		}
	}
	for _, a := range s.References {
		state.References[a.Ref.String()] = a.ID
	}
	state.Layers = counted.counts()
	return state
}

func (s Scene) children(id digest.Digest) []digest.Digest {
	var ids []digest.Digest
	for _, img := range s.Images {
		if img.Parent == id && !img.Lost {
			ids = append(ids, img.ID)
		}
	}
	return sortedIDs(ids)
}
