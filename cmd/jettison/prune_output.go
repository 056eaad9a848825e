package main

import (
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
)

// pruneSummary is the last line of JSON that prune prints.
type pruneSummary struct {
	SpaceReclaimed int64
}

// printPruned prints what a prune did, as Docker does, and with --explain what
// it kept.
func (s *settings) printPruned(cmd *cobra.Command, store *opened, report *jettison.PruneReport, opts jettison.PruneOptions) error {
	var kept []keptImage
	if opts.Explain {
		var err error
		if kept, err = namedKept(cmd.Context(), store, report.Kept, report.ImagesDeleted); err != nil {
			return err
		}
	}
	out := printer{w: cmd.OutOrStdout()}
	if s.format == formatJSON {
		out.pruneJSON(report.ImagesDeleted, kept, report.SpaceReclaimed)
		return out.err
	}
	out.pruned(report.ImagesDeleted)
	if len(kept) > 0 {
		out.linef("Kept Images:")
		for _, k := range kept {
			out.linef("kept: %s", k)
		}
		out.linef("")
	}
	out.linef("Total reclaimed space: %s", size(report.SpaceReclaimed))
	return out.err
}

// pruned writes records in the form of Docker's prune, which is not that of
// its rmi.
func (p *printer) pruned(records []jettison.DeleteResponse) {
	if len(records) == 0 {
		return
	}
	p.linef("Deleted Images:")
	for _, record := range records {
		if record.Untagged != "" {
			p.linef("untagged: %s", record.Untagged)
		} else {
			p.linef("deleted: %s", record.Deleted)
		}
	}
	p.linef("")
}

// printPrunePlan prints what a prune would do and what it would keep.
func (s *settings) printPrunePlan(cmd *cobra.Command, store *opened, plan *jettison.Plan) error {
	records := plan.Records()
	kept, err := namedKept(cmd.Context(), store, plan.Kept(), records)
	if err != nil {
		return err
	}
	out := printer{w: cmd.OutOrStdout()}
	if s.format == formatJSON {
		out.pruneJSON(records, kept, plan.SpaceReclaimed())
		return out.err
	}
	out.planned(records)
	for _, k := range kept {
		out.linef("Would keep: %s", k)
	}
	out.linef("Would reclaim: %s", size(plan.SpaceReclaimed()))
	return out.err
}

// pruneJSON writes the records, then what is kept, then the summary: the same
// lines for a prune and for its dry run.
func (p *printer) pruneJSON(records []jettison.DeleteResponse, kept []keptImage, reclaimed int64) {
	for _, record := range records {
		p.json(record)
	}
	for _, k := range kept {
		p.json(k)
	}
	p.json(pruneSummary{SpaceReclaimed: reclaimed})
}
