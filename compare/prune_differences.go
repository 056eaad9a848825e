package compare

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/refstore"
)

// PruneDifferences are those that a random call of ImagesPrune can meet, in
// the order in which they are applied.
func PruneDifferences() []Difference {
	return []Difference{
		{ID: "docker-D13", Applies: hasMounts, Adapt: mountsAsUses},
		{ID: "docker-D11", Applies: hasLostParents, Adapt: withoutLostParents, Amend: restoreParents},
		{ID: "docker-P4", Applies: asksForLabels, Adapt: oneLabelExcludes},
		{ID: "docker-P4-until", Applies: asksForAge, Adapt: olderOnly},
		{ID: "docker-P3", Applies: hasContainers, Adapt: hideReferencesInUse, Amend: restoreReferencesInUse},
		{ID: "docker-P5-label", Applies: excludesLabels, Adapt: keepExcluded},
		{ID: "docker-P5", Applies: always, Adapt: untilNothingGoes},
		{ID: "docker-P7", Applies: always, Amend: countOnce},
		{ID: "docker-P6", Applies: always, Amend: oldestFirst},
		{ID: "docker-D10", Applies: always, Amend: emptyNotNil},
		{ID: "docker-D3", Applies: always, Amend: eventForEachDigest},
		{ID: "docker-E2", Applies: always, Amend: nameInEachUntag},
		{ID: "docker-P4-values", Applies: hasWrongFilter, Amend: refuseFilter},
	}
}

// D11, as for a deletion: records are lost where the parent is.

func hasLostParents(before Scene, _ Call) bool {
	return slices.ContainsFunc(before.Images, func(img Image) bool { return lostParent(before, img) })
}

// P4: to Docker an image without a configuration passes every filter of labels,
// and only all values of "label!" together exclude. It is told that such an
// image has no labels, and of the images that one of the values excludes it is
// told so by a single one.

func asksForLabels(_ Scene, call Call) bool {
	return len(call.Filters[filter.Label])+len(call.Filters[filter.NotLabel]) > 0
}

const excluded = "excluded by one of the labels"

func oneLabelExcludes(before Scene, call Call) (Scene, Call) {
	before.Images = slices.Clone(before.Images)
	for i, img := range before.Images {
		seen := img.seen()
		seen.Labels = maps.Clone(seen.Labels)
		if slices.ContainsFunc(call.Filters[filter.NotLabel], func(text string) bool { return hasLabel(img, text) }) {
			seen.Labels[excluded] = ""
		}
		before.Images[i].Seen = &seen
	}
	if call.Filters[filter.NotLabel] != nil {
		call.Filters = maps.Clone(call.Filters)
		call.Filters[filter.NotLabel] = []string{excluded}
	}
	return before, call
}

// hasLabel reports whether the image has what a filter asks for: a key, or a
// key and its value.
func hasLabel(img Image, text string) bool {
	key, value, given := strings.Cut(text, "=")
	have, ok := img.seen().Labels[key]
	return ok && (!given || have == value)
}

// P4: to Docker an image made at the very time of "until" is older, and so is
// one that gives the zero time. It is told of a later time and of none.

func asksForAge(_ Scene, call Call) bool { return len(call.Filters[filter.Until]) > 0 }

func olderOnly(before Scene, call Call) (Scene, Call) {
	before.Images = slices.Clone(before.Images)
	for i, img := range before.Images {
		seen := img.seen()
		if img.Seen != nil {
			seen = *img.Seen
		}
		if seen.Created == nil {
			continue
		}
		later := seen.Created.Add(time.Nanosecond)
		seen.Created, before.Images[i].Seen = &later, &seen
		if later.Year() == 1 {
			seen.Created = nil
		}
	}
	return before, call
}

// P3: Docker takes the references of an image in use, up to the last. It is
// given such images without references.

func hasContainers(before Scene, _ Call) bool { return len(before.Containers) > 0 }

func inUse(scene Scene, id digest.Digest) bool {
	return slices.ContainsFunc(scene.Containers, func(c conflict.Container) bool {
		return c.Image == id || slices.Contains(c.Mounts, id)
	})
}

func hideReferencesInUse(before Scene, call Call) (Scene, Call) {
	before.References = slices.DeleteFunc(slices.Clone(before.References), func(a refstore.Association) bool {
		return inUse(before, a.ID)
	})
	return before, call
}

func restoreReferencesInUse(before Scene, _ Call, out Outcome) Outcome {
	out.After.References = maps.Clone(out.After.References)
	for _, a := range before.References {
		if inUse(before, a.ID) {
			out.After.References[a.Ref.String()] = a.ID
		}
	}
	return out
}

// P5: Docker takes ancestors that "label!" excludes. It is given them in use.

func excludesLabels(_ Scene, call Call) bool { return len(call.Filters[filter.NotLabel]) > 0 }

func keepExcluded(before Scene, call Call) (Scene, Call) {
	before.Containers = slices.Clone(before.Containers)
	for _, img := range before.Images {
		if _, ok := img.Seen.Labels[excluded]; ok { // by docker-P4
			before.Containers = append(before.Containers, conflict.Container{ID: zeros, Image: img.ID})
		}
	}
	return before, call
}

// P5: Docker has to be asked again.

func untilNothingGoes(before Scene, call Call) (Scene, Call) {
	call.Repeat = true
	return before, call
}

// P7: Docker counts a layer once for each chain that it lies in. What is
// counted too often is taken away.

func countOnce(before Scene, _ Call, out Outcome) Outcome {
	chains := make(map[digest.Digest]digest.Digest)
	left := make(map[digest.Digest]bool)
	for _, img := range before.Images {
		for i, chain := range img.ChainIDs() {
			if _, ok := out.After.Layers[chain]; ok {
				left[img.DiffIDs[i]] = true
			} else {
				chains[chain] = img.DiffIDs[i]
			}
		}
	}
	for _, diffID := range chains {
		if left[diffID] {
			out.Reclaimed -= LayerSize(diffID)
		}
		left[diffID] = true
	}
	out.tellReclaimed()
	return out
}

// P6: Docker goes in random order.

func oldestFirst(before Scene, _ Call, out Outcome) Outcome {
	out.Turns = slices.Clone(out.Turns)
	slices.SortFunc(out.Turns, func(a, b digest.Digest) int {
		if c := before.created(a).Compare(before.created(b)); c != 0 {
			return c
		}
		return strings.Compare(a.String(), b.String())
	})
	return out
}

func (s Scene) created(id digest.Digest) time.Time {
	img, _ := s.Image(id)
	if at := img.seen().Created; at != nil {
		return *at
	}
	return time.Time{}
}

// D10: Docker has no list when nothing went.

func emptyNotNil(_ Scene, _ Call, out Outcome) Outcome {
	if out.Failure == (Failure{}) && out.Records == nil {
		out.Records = []Record{}
	}
	return out
}

// D3, E2: as for a deletion, Docker sends no event for a digest reference that
// goes with the last tag, and its events do not name the references.

func eventForEachDigest(before Scene, _ Call, out Outcome) Outcome {
	for _, img := range before.Images {
		tags, digests := untagged(before, out, img.ID)
		for range min(len(tags)+len(digests)-len(untags(out, img.ID)), len(digests)) {
			out.Events = append(out.Events, Event{Action: "untag", ID: img.ID.String(), Name: img.ID.String()})
		}
	}
	return out
}

func nameInEachUntag(before Scene, _ Call, out Outcome) Outcome {
	for _, img := range before.Images {
		tags, digests := untagged(before, out, img.ID)
		names := append(tags, digests...)
		for n, i := range untags(out, img.ID) {
			if n < len(names) && out.Events[i].Name == img.ID.String() {
				out.Events[i].Name = names[n]
			}
		}
	}
	return out
}

// untagged are the references to the image that the records name.
func untagged(before Scene, out Outcome, id digest.Digest) (tags, digests []string) {
	for _, ref := range before.ReferencesTo(id) {
		name := reference.FamiliarString(ref)
		switch {
		case !slices.Contains(out.Records, Record{Untagged: name}):
		case isDigest(ref):
			digests = append(digests, name)
		default:
			tags = append(tags, name)
		}
	}
	return tags, digests
}

// untags are the indices of the events of references to the image.
func untags(out Outcome, id digest.Digest) []int {
	var found []int
	for i, e := range out.Events {
		if e.Action == "untag" && e.ID == id.String() {
			found = append(found, i)
		}
	}
	return found
}

// P4: Docker takes an empty value, and has errors of its own for others.

func wrongFilter(call Call) string {
	for _, wrong := range wrongFilters {
		if slices.Contains(call.Filters[wrong.key], wrong.value) {
			return wrong.text
		}
	}
	return ""
}

func hasWrongFilter(_ Scene, call Call) bool { return wrongFilter(call) != "" }

func refuseFilter(before Scene, call Call, _ Outcome) Outcome {
	return refusal(before, "InvalidArgument", wrongFilter(call))
}
