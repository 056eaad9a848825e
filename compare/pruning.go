package compare

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/image"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/filter"
)

// seenImages is Docker's image store, in which a prune sees what the scene
// says that it is to see.
type seenImages struct {
	image.Store

	scene Scene
}

// Map returns all images.
func (s seenImages) Map() map[image.ID]*image.Image { return s.change(s.Store.Map()) }

// Heads returns the images without children.
func (s seenImages) Heads() map[image.ID]*image.Image { return s.change(s.Store.Heads()) }

func (s seenImages) change(images map[image.ID]*image.Image) map[image.ID]*image.Image {
	for _, img := range s.scene.Images {
		if found := images[image.ID(img.ID)]; found != nil && img.Seen != nil {
			other := *found
			other.Created = img.Seen.Created
			other.Config = &container.Config{Labels: img.Seen.Labels}
			images[image.ID(img.ID)] = &other
		}
	}
	return images
}

// Prune calls Docker's ImagesPrune, once or until nothing more goes.
func (d *Docker) Prune(ctx context.Context, call Call) (Outcome, error) {
	out, err := d.pruneOnce(ctx, call)
	for last := out; call.Repeat && err == nil && len(last.Records) > 0; {
		last, err = d.pruneOnce(ctx, call)
		out = out.then(last)
	}
	return out, err
}

func (d *Docker) pruneOnce(ctx context.Context, call Call) (Outcome, error) {
	report, err := d.Service.ImagesPrune(ctx, DockerFilters(call.Filters))
	out := Outcome{Failure: failureOf(err), Events: d.newEvents()}
	if report != nil {
		out.Records, out.Reclaimed = recordsOf(report.ImagesDeleted), int64(report.SpaceReclaimed)
	}
	out.After, err = d.State(ctx)
	return out, err
}

// DockerFilters returns the filters in Docker's type.
func DockerFilters(args filter.Args) filters.Args {
	converted := filters.NewArgs()
	for key, values := range args {
		for _, value := range values {
			converted.Add(key, value)
		}
	}
	return converted
}

// then is what two prunes come to, one after the other.
func (o Outcome) then(next Outcome) Outcome {
	next.Records = append(o.Records, next.Records...)
	next.Events = append(withoutPrunes(o.Events), next.Events...)
	next.Reclaimed += o.Reclaimed
	next.tellReclaimed()
	return next
}

func withoutPrunes(events []Event) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Action == "prune" })
}

// tellReclaimed makes the event of the prune say what the outcome says.
func (o *Outcome) tellReclaimed() {
	for i, e := range o.Events {
		if e.Action == "prune" {
			o.Events[i].Reclaimed = strconv.FormatInt(o.Reclaimed, 10)
		}
	}
}

// turns are the images without children in the scene that the records name. They
// go when their turn comes; others may go when a child does.
func turns(scene Scene, records []Record) []digest.Digest {
	var went []digest.Digest
	for _, r := range records {
		img, ok := scene.Image(digest.Digest(r.Deleted))
		if ok && !img.Lost && len(scene.children(img.ID)) == 0 {
			went = append(went, img.ID)
		}
	}
	return went
}

// sorted returns the outcome with its records and events sorted.
func (o Outcome) sorted() Outcome {
	o = o.clone()
	slices.SortFunc(o.Records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Untagged, b.Untagged), cmp.Compare(a.Deleted, b.Deleted))
	})
	slices.SortFunc(o.Events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
	return o
}

// same reports whether two outcomes are the same but for the order of a prune,
// which is random in each run of Docker's.
func (o Outcome) same(other Outcome) bool {
	o.Turns, other.Turns = nil, nil
	return gocmp.Equal(o, other)
}

// seen reads what a prune looks at from the configuration.
func (i Image) seen() Seen {
	var config configuration
	if err := json.Unmarshal(i.Config, &config); err != nil {
		return Seen{}
	}
	seen := Seen{Created: config.Created}
	if config.Config != nil {
		seen.Labels = config.Config.Labels
	}
	return seen
}
