package main

import (
	"io"

	"github.com/containerd/platforms"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

const removeLong = `Remove references, and images that lose their last one.

A reference (app:1.0) is untagged; when it was the last one of an image that
nothing uses, the image goes too. An ID, or the beginning of one with at least
4 digits, removes the image with all its references. Ancestors that nothing
needs any more go as well, unless --no-prune is given.

Images in use and images with children stay; --force overrides what can be
forced, and the error says what stands in the way.`

const removeExample = `  jettison rmi app:1.0
  jettison rmi --dry-run app:1.0 web:1.0
  jettison rmi -f 3dfe63d000c7`

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
		RunE: action(func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options()
			if err != nil {
				return err
			}
			return set.with(cmd.Context(), func(store *opened) error {
				if flags.dryRun {
					return set.planRemoval(cmd, store, args, opts)
				}
				return set.remove(cmd, store, args, opts)
			})
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.force, "force", "f", false, "remove although the image has further references or stopped containers")
	f.BoolVar(&flags.noPrune, "no-prune", false, "leave ancestors that nothing needs any more")
	f.BoolVar(&flags.dryRun, "dry-run", false, "print what would be removed and what kept, and change nothing")
	f.StringSliceVar(&flags.platforms, "platform", nil, "remove only if the image is for this platform (os/arch[/variant])")
	return cmd
}

func (f *removeFlags) options() (jettison.RemoveOptions, error) {
	opts := jettison.RemoveOptions{Force: f.force, PruneChildren: !f.noPrune}
	for _, text := range f.platforms {
		p, err := platforms.Parse(text)
		if err != nil {
			return opts, errors.Wrapf(err, "--platform %q", text)
		}
		opts.Platforms = append(opts.Platforms, p)
	}
	return opts, nil
}

// remove removes the images and prints a record a line; errors of single
// references go to standard error and do not stop the others.
func (s *settings) remove(cmd *cobra.Command, store *opened, refs []string, opts jettison.RemoveOptions) error {
	reports, err := store.service.ImagesDelete(cmd.Context(), refs, opts)
	var failures []error
	for _, report := range reports {
		for _, record := range report.Records {
			if err := s.print(cmd.OutOrStdout(), record, record.String()); err != nil {
				return err
			}
		}
		failures = append(failures, report.Err)
	}
	if err != nil {
		return err
	}
	return reportFailures(cmd.ErrOrStderr(), failures)
}

// reportFailures prints the errors there are, a refusal with all that stands
// in the way.
func reportFailures(w io.Writer, failures []error) error {
	var result error
	for _, err := range failures {
		if err == nil {
			continue
		}
		result = errReported
		note(w, "Error: %s\n", err)
		var refusal *conflict.Error
		if errors.As(err, &refusal) {
			for _, c := range refusal.Conflicts {
				note(w, "  %s: %s\n", c, c.Hint())
			}
		}
	}
	return result
}

// planRemoval prints what remove would do.
func (s *settings) planRemoval(cmd *cobra.Command, store *opened, refs []string, opts jettison.RemoveOptions) error {
	plan, err := store.service.PlanDelete(cmd.Context(), refs, opts)
	if err != nil {
		return err
	}
	var failures []error
	for i := range plan.Removals {
		removal := &plan.Removals[i]
		if err := s.printPlanned(cmd.OutOrStdout(), removal); err != nil {
			return err
		}
		failures = append(failures, removal.Err)
	}
	if s.format == formatText {
		out := printer{w: cmd.OutOrStdout()}
		if out.linef("Would reclaim: %s", size(plan.SpaceReclaimed())); out.err != nil {
			return out.err
		}
	}
	return reportFailures(cmd.ErrOrStderr(), failures)
}

// plannedRemoval is the JSON of what one reference would lead to.
type plannedRemoval struct {
	Reference      string
	Image          string                    `json:",omitempty"`
	Records        []jettison.DeleteResponse `json:",omitempty"`
	Kept           []keptImage               `json:",omitempty"`
	SpaceReclaimed int64
	Error          string `json:",omitempty"`
}

// keptImage is the JSON of an image that stays.
type keptImage struct {
	Image   string
	Names   []string `json:",omitempty"`
	Why     jettison.Why
	Detail  string   `json:",omitempty"`
	Reasons []string `json:",omitempty"`

	reason string // in words
}

func keptJSON(kept jettison.Kept) keptImage {
	k := keptImage{Image: kept.Image.String(), Why: kept.Why, Detail: kept.Detail, reason: kept.String()}
	for _, c := range kept.Conflicts {
		k.Reasons = append(k.Reasons, c.String())
	}
	return k
}

func (s *settings) printPlanned(w io.Writer, removal *jettison.Removal) error {
	if s.format == formatJSON {
		return printJSON(w, plannedJSON(removal))
	}
	out := printer{w: w}
	out.planned(removal.Records())
	for _, kept := range removal.Kept {
		out.linef("Would keep: %s (%s)", kept.Image, kept)
	}
	return out.err
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

func plannedJSON(removal *jettison.Removal) plannedRemoval {
	out := plannedRemoval{
		Reference:      removal.Reference,
		Image:          removal.Image.String(),
		Records:        removal.Records(),
		SpaceReclaimed: removal.SpaceReclaimed(),
	}
	if removal.Err != nil {
		out.Error = removal.Err.Error()
	}
	for _, kept := range removal.Kept {
		out.Kept = append(out.Kept, keptJSON(kept))
	}
	return out
}
