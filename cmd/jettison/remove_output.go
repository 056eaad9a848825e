package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
)

// A removal is what was done about one reference, or would be.
type removal struct {
	reference      string
	image          digest.Digest
	containers     []jettison.Container
	records        []jettison.DeleteResponse
	spaceReclaimed int64
	kept           []jettison.Kept
	err            error
}

func removedOf(r jettison.RemoveReport) removal {
	return removal{r.Reference, r.Image, r.Containers, r.Records, r.SpaceReclaimed, r.Kept, r.Err}
}

func plannedOf(r *jettison.Removal) removal {
	return removal{r.Reference, r.Image, r.Containers(), r.Records(), r.SpaceReclaimed(), r.Kept, r.Err}
}

// removalJSON is the JSON of a removal.
type removalJSON struct {
	Reference      string
	Image          string                    `json:",omitempty"`
	Containers     []containerRow            `json:",omitempty"`
	Records        []jettison.DeleteResponse `json:",omitempty"`
	SpaceReclaimed int64
	Kept           []keptImage `json:",omitempty"`
	Error          string      `json:",omitempty"`
}

func (r removal) json(kept []keptImage) removalJSON {
	out := removalJSON{
		Reference: r.reference, Image: r.image.String(), Records: r.records, SpaceReclaimed: r.spaceReclaimed, Kept: kept,
	}
	for _, c := range r.containers {
		out.Containers = append(out.Containers, containerOf(c))
	}
	if r.err != nil {
		out.Error = r.err.Error()
	}
	return out
}

// printRemovals prints the removals, in JSON a line for each, and reports what
// stood in the way. Text writes them, and all that is kept, in words.
func (s *settings) printRemovals(cmd *cobra.Command, store *opened, all []removal, text func(p *printer, all []removal, kept []keptImage)) error {
	kept, unnamed := keptOf(cmd.Context(), store, all)
	out := printer{w: cmd.OutOrStdout()}
	if s.format == formatJSON {
		for i, r := range all {
			out.json(r.json(kept[i]))
		}
	} else {
		text(&out, all, slices.Concat(kept...))
	}
	failures := make([]failure, 0, len(all))
	for _, r := range all {
		failures = append(failures, failure{reference: r.reference, err: r.err})
	}
	return cmp.Or(s.reportAll(cmd, failures), out.err, unnamed)
}

// keptOf are the images that each removal keeps. One that several keep is that of
// the last, and one that another removal deletes is none.
func keptOf(ctx context.Context, store *opened, all []removal) ([][]keptImage, error) {
	last := make(map[digest.Digest]int)
	var records []jettison.DeleteResponse
	for i, r := range all {
		for _, k := range r.kept {
			last[k.Image] = i
		}
		records = append(records, r.records...)
	}
	for _, record := range records {
		delete(last, digest.Digest(record.Deleted))
	}
	kept := make([][]keptImage, len(all))
	for i, r := range all {
		stay := slices.DeleteFunc(slices.Clone(r.kept), func(k jettison.Kept) bool {
			at, stays := last[k.Image]
			return !stays || at != i
		})
		if len(stay) == 0 {
			continue
		}
		named, err := namedKept(ctx, store, stay, records)
		if err != nil {
			return kept, err
		}
		kept[i] = named
	}
	return kept, nil
}

// removed writes what was done, as Docker does, and the containers before it.
func removed(p *printer, all []removal, _ []keptImage) {
	for _, r := range all {
		for _, c := range r.containers {
			p.linef("Removed: %s", c)
		}
		for _, record := range r.records {
			p.linef("%s", record)
		}
	}
}

// planned writes what would be done: for each reference what goes, then what
// stays of all that they reach. Where nothing would go there is nothing to sum up.
func planned(p *printer, all []removal, kept []keptImage) {
	var reclaimed int64
	goes := false
	for _, r := range all {
		for _, c := range r.containers {
			p.linef("Would remove: %s", c)
		}
		p.planned(r.records)
		reclaimed += r.spaceReclaimed
		goes = goes || len(r.records) > 0
	}
	for _, k := range kept {
		p.linef("Would keep: %s", k)
	}
	if goes {
		p.linef("Would reclaim: %s", size(reclaimed))
	}
}

// planned writes the records of what has not been done.
func (p *printer) planned(records []jettison.DeleteResponse) {
	for _, record := range records {
		if record.Untagged != "" {
			p.linef("Would untag: %s", record.Untagged)
		} else {
			p.linef("Would delete: %s", record.Deleted)
		}
	}
}
