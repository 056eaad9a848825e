package main

import (
	"cmp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jettison-oci/jettison"
)

const removeLong = `Remove references, and images that lose their last one.

A reference (app:1.0) is untagged; when it was the last one of an image that
nothing uses, the image goes too. An ID, or the beginning of one with at least
4 digits, removes the image with all its references. Ancestors that nothing
needs any more go as well, unless --no-prune is given.

An image for several platforms goes as a whole, unless --platform takes some of
them out of it. What is about an image, such as its signature, goes with it,
unless that has a tag of its own.

Images in use and images with children stay; --force overrides what can be
forced, and the error says what stands in the way.`

const removeExample = `  jettison rmi app:1.0
  jettison rmi --dry-run app:1.0 web:1.0
  jettison rmi -f 3dfe63d000c7
  jettison rmi -f --platform linux/arm64 multi:1.0`

// removeFlags are the flags of rmi.
type removeFlags struct {
	force, noPrune, dryRun bool
	platforms              []string
}

func newRemove(set *settings) *cobra.Command {
	var flags removeFlags
	cmd := &cobra.Command{
		Use:     "rmi [flags] REF...",
		Short:   "Remove references and images",
		Long:    removeLong,
		Example: removeExample,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd.Flags())
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, args []string) error {
				if flags.dryRun {
					return set.planRemoval(cmd, args, opts)
				}
				return set.remove(cmd, args, opts)
			})(cmd, args)
		},
		ValidArgsFunction: set.complete(listReferences),
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.force, "force", "f", false, "remove although the image has further references or stopped containers")
	f.BoolVar(&flags.noPrune, "no-prune", false, "leave ancestors that nothing needs any more")
	f.BoolVar(&flags.dryRun, "dry-run", false, "print what would be removed and what kept, and change nothing")
	f.StringArrayVar(&flags.platforms, "platform", nil, "remove only `PLATFORM` (os/arch[/variant]) from an image for several, with --force; another image only if it is for that. May be repeated")
	return cmd
}

// options are the options of the removal. What is wrong with them is wrong
// usage.
func (f *removeFlags) options(set *pflag.FlagSet) (jettison.RemoveOptions, error) {
	platforms, err := platformFlags(set, f.platforms...)
	return jettison.RemoveOptions{Force: f.force, PruneChildren: !f.noPrune, Platforms: platforms}, err
}

// remove removes the references and prints what has gone.
func (s *settings) remove(cmd *cobra.Command, refs []string, opts jettison.RemoveOptions) error {
	return s.change(cmd, func(store *opened) error {
		reports, err := store.service.ImagesDelete(cmd.Context(), refs, opts)
		out := printer{w: cmd.OutOrStdout()}
		var failures []failure
		for _, r := range reports {
			for _, record := range r.Records {
				out.value(s.format, record, record.String())
			}
			failures = append(failures, failure{reference: r.Reference, err: r.Err})
		}
		if err != nil {
			return err
		}
		return cmp.Or(s.reportAll(cmd, failures), out.err)
	})
}

// planRemoval prints what remove would do: for each reference what goes, then
// what stays of all that they reach.
func (s *settings) planRemoval(cmd *cobra.Command, refs []string, opts jettison.RemoveOptions) error {
	return s.read(cmd, func(store *opened) error {
		plan, err := store.service.PlanDelete(cmd.Context(), refs, opts)
		if err != nil {
			return err
		}
		kept, err := namedKept(cmd.Context(), store, plan.Kept(), plan.Records())
		if err != nil {
			return err
		}
		out := printer{w: cmd.OutOrStdout()}
		if s.format == formatJSON {
			out.removalJSON(plan, kept)
		} else {
			out.removal(plan, kept)
		}
		var failures []failure
		for _, removal := range plan.Removals {
			failures = append(failures, failure{reference: removal.Reference, err: removal.Err})
		}
		return cmp.Or(s.reportAll(cmd, failures), out.err)
	})
}

// removal writes a plan as text. Where nothing would go there is nothing to
// sum up.
func (p *printer) removal(plan *jettison.Plan, kept []keptImage) {
	records := plan.Records()
	p.planned(records)
	for _, k := range kept {
		p.linef("Would keep: %s", k)
	}
	if len(records) > 0 {
		p.linef("Would reclaim: %s", size(plan.SpaceReclaimed()))
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

// plannedRemoval is the JSON of what one reference would lead to.
type plannedRemoval struct {
	Reference      string
	Image          string                    `json:",omitempty"`
	Records        []jettison.DeleteResponse `json:",omitempty"`
	SpaceReclaimed int64
	Error          string `json:",omitempty"`
}

// removalJSON writes a plan as JSON: a line for each reference, then one for
// each image that stays.
func (p *printer) removalJSON(plan *jettison.Plan, kept []keptImage) {
	for i := range plan.Removals {
		removal := &plan.Removals[i]
		out := plannedRemoval{
			Reference:      removal.Reference,
			Image:          removal.Image.String(),
			Records:        removal.Records(),
			SpaceReclaimed: removal.SpaceReclaimed(),
		}
		if removal.Err != nil {
			out.Error = removal.Err.Error()
		}
		p.json(out)
	}
	for _, k := range kept {
		p.json(k)
	}
}
