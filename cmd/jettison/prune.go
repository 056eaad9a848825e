package main

import (
	"context"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

const pruneLong = `Remove images that nothing needs: the dangling ones, which have neither a tag
nor a child, or with --all every image without a use. An image that a container
or a lease uses is left whole.

Filters narrow the choice; an image must pass every key:
  dangling=true|false   label=KEY[=VALUE]   label!=KEY[=VALUE]   id=ID
  until=TIME            reference=PATTERN   before=IMAGE         since=IMAGE
  orphaned=true|false   (signatures and the like whose image is missing)

The policy keeps some of what is chosen: --keep-last, --protect and --min-age.
With --keep-storage or the disk marks images go only until the goal is reached,
the least recently used first. --policy reads all of this from a file; what the
command line says comes on top. See docs/policy.md.

On a terminal you are asked first; --force skips that. --dry-run changes nothing
and prints what would go and what of the choice stays; --explain says of every
image that stays why it does.

With --exit-codes podman a failure and wrong usage have the exit status 125, the
latter if the flag stands before it.`

const pruneExample = `  jettison prune --dry-run
  jettison prune -a --keep-last 3 --protect 'base:*' --filter until=168h
  jettison prune -a --keep-storage 20GB --force
  jettison prune --policy nightly.yaml --dry-run --explain`

// pruneFlags are the flags of prune.
type pruneFlags struct {
	dryRun, explain, force, yes bool
	policy                      string
	exitCodes                   exitCodes

	// These can stand in a policy file too: see policyKeys.
	all               bool
	filters, protect  []string
	keepLast          int
	minAge            time.Duration
	keepStorage       byteSize
	diskHigh, diskLow float64
}

func newPrune(set *settings) *cobra.Command {
	flags := &pruneFlags{}
	cmd := &cobra.Command{
		Use:     "prune [flags]",
		Short:   "Remove images that nothing needs",
		Long:    pruneLong,
		Example: pruneExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd.Flags(), set.dir())
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, _ []string) error {
				return set.prune(cmd, flags, opts)
			})(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.register(cmd.Flags())
	return cmd
}

func (f *pruneFlags) register(set *pflag.FlagSet) {
	set.BoolVar(&f.dryRun, "dry-run", false, "print what would be removed and what kept, and change nothing")
	set.BoolVar(&f.explain, "explain", false, "print why each image that stays is kept")
	set.BoolVarP(&f.force, "force", "f", false, "do not ask")
	set.BoolVarP(&f.yes, "yes", "y", false, "do not ask, as --force")
	f.exitCodes.register(set)
	set.StringVar(&f.policy, "policy", "", "YAML `FILE` with filters and policy")
	set.BoolVarP(&f.all, "all", "a", false, "remove every image without a use, not only dangling ones")
	set.StringArrayVar(&f.filters, "filter", nil, "choose only images that pass `KEY=VALUE`; may be repeated")
	set.IntVar(&f.keepLast, "keep-last", 0, "keep the newest `N` tags of each repository")
	set.StringArrayVar(&f.protect, "protect", nil, "keep images with a reference that matches `PATTERN`; may be repeated")
	set.DurationVar(&f.minAge, "min-age", 0, "keep images created or used more recently than `DURATION` ago (24h)")
	set.Var(&f.keepStorage, "keep-storage", "remove only until the store has at most `SIZE` (20GB; units are powers of 1024)")
	set.Float64Var(&f.diskHigh, "disk-high", 0, "remove nothing while the disk is less than `PERCENT` full")
	set.Float64Var(&f.diskLow, "disk-low", 0, "remove only until the disk is at most `PERCENT` full")
}

// options are the options of the prune that the flags and the policy file ask
// for. What is wrong with them is wrong usage.
func (f *pruneFlags) options(set *pflag.FlagSet, store string) (jettison.PruneOptions, error) {
	opts := jettison.PruneOptions{Explain: f.explain}
	if set.Changed("policy") {
		if err := applyPolicy(set, f.policy); err != nil {
			return opts, err
		}
	}
	filters, err := filter.Parse(f.filters...)
	if err != nil {
		return opts, err
	}
	opts.All, opts.Filters = f.all, filters
	opts.Policy = jettison.Policy{
		KeepLast: f.keepLast, Protect: f.protect, MinAge: f.minAge, MaxStorage: f.keepStorage.bytes,
	}
	high, low := set.Changed("disk-high"), set.Changed("disk-low")
	if high != low {
		return opts, errors.New("disk-high and disk-low need each other")
	}
	if high && store == "" {
		return opts, errors.New("disk-high and disk-low are for a store whose directory is known")
	}
	if high {
		opts.Policy.Disk = &jettison.DiskMarks{
			High: f.diskHigh, Low: f.diskLow,
			Usage: func(context.Context) (jettison.DiskUsage, error) { return diskUsage(store) },
		}
	}
	return opts, nil
}

func (s *settings) prune(cmd *cobra.Command, flags *pruneFlags, opts jettison.PruneOptions) error {
	if flags.dryRun {
		return s.planPrune(cmd, opts)
	}
	if !flags.force && !flags.yes && isTerminal(cmd.InOrStdin()) {
		if err := s.confirmPrune(cmd, opts); err != nil {
			return err
		}
	}
	return s.change(cmd, func(store *opened) error {
		bars := newBars(cmd.ErrOrStderr(), countImages)
		opts.Progress = bars.prune()
		if opts.BatchSize == 0 {
			opts.BatchSize = store.batch
		}
		report, err := store.service.ImagesPrune(cmd.Context(), opts)
		bars.finish(err == nil)
		if report != nil && (err == nil || len(report.ImagesDeleted) > 0) {
			if printErr := s.printPruned(cmd, store, report, opts); err == nil {
				err = printErr
			}
		}
		return misusedOr(err)
	})
}

// planPrune prints what prune would do.
func (s *settings) planPrune(cmd *cobra.Command, opts jettison.PruneOptions) error {
	return s.read(cmd, func(store *opened) error {
		plan, err := store.service.PlanPrune(cmd.Context(), opts)
		if err != nil {
			return misusedOr(err)
		}
		return s.printPrunePlan(cmd, store, plan)
	})
}

// misusedOr marks options that make no sense, and images named in filters that
// cannot be, as wrong usage: the service finds them.
func misusedOr(err error) error {
	if errors.Is(err, jettison.ErrInvalidArgument) {
		return misused{err}
	}
	return err
}
