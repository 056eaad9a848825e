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
forced, and the error says what stands in the way. With --remove-containers the
containers that use an image go first, running ones too, if nothing else keeps
it; a line on standard output names each. --ignore makes a reference that means
nothing no error.

With --format json there is a line for each reference, the same for a dry run:
  Reference, Image   what was asked for, and the ID of the image that it means
  Containers         those that were removed first: ID, Name, Owner, Running
  Records            as Docker's API has them: Untagged or Deleted
  SpaceReclaimed     in bytes
  Kept               the images that were reached and stay, with the reasons
  Error              why nothing was done; standard error says more

` + exitCodesHelp

const removeExample = `  jettison rmi app:1.0
  jettison rmi --dry-run app:1.0 web:1.0
  jettison rmi -f 3dfe63d000c7
  jettison rmi -f --platform linux/arm64 multi:1.0`

// removeFlags are the flags of rmi.
type removeFlags struct {
	force, noPrune, dryRun   bool
	ignore, removeContainers bool
	platforms                []string
	exitCodes                exitCodes
}

func newRemove(set *settings) *cobra.Command {
	var flags removeFlags
	cmd := &cobra.Command{
		Use:     "rmi [flags] REF...",
		Short:   "Remove references and images",
		Long:    removeLong,
		Example: removeExample,

		SuggestFor: []string{"delete", "remove", "untag"},

		Args: operands("REF...", 1, anyNumber),
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
	f.BoolVar(&flags.ignore, "ignore", false, "take a reference that means nothing for one that has gone already")
	f.BoolVar(&flags.removeContainers, "remove-containers", false, "remove the containers that use an image, if nothing else keeps it")
	flags.exitCodes.register(f)
	f.StringArrayVar(&flags.platforms, "platform", nil, "remove only `PLATFORM` (os/arch[/variant]) from an image for several, with --force; another image only if it is for that. May be repeated")
	return cmd
}

// options are the options of the removal. What is wrong with them is wrong
// usage.
func (f *removeFlags) options(set *pflag.FlagSet) (jettison.RemoveOptions, error) {
	platforms, err := platformFlags(set, f.platforms...)
	return jettison.RemoveOptions{
		Force: f.force, PruneChildren: !f.noPrune, Platforms: platforms,
		RemoveContainers: f.removeContainers, Ignore: f.ignore,
	}, err
}

// remove removes the references and prints what has gone, also before a failure.
func (s *settings) remove(cmd *cobra.Command, refs []string, opts jettison.RemoveOptions) error {
	return s.change(cmd, func(store *opened) error {
		reports, err := store.service.ImagesDelete(cmd.Context(), refs, opts)
		results := make([]removal, 0, len(reports))
		for _, r := range reports {
			results = append(results, removedOf(r))
		}
		return cmp.Or(err, s.printRemovals(cmd, store, results, removed))
	})
}

// planRemoval prints what remove would do.
func (s *settings) planRemoval(cmd *cobra.Command, refs []string, opts jettison.RemoveOptions) error {
	return s.read(cmd, func(store *opened) error {
		plan, err := store.service.PlanDelete(cmd.Context(), refs, opts)
		if err != nil {
			return err
		}
		results := make([]removal, 0, len(plan.Removals))
		for i := range plan.Removals {
			results = append(results, plannedOf(&plan.Removals[i]))
		}
		return s.printRemovals(cmd, store, results, planned)
	})
}
