package main

import (
	"github.com/pkg/errors"
	"github.com/spf13/cobra"
)

const rootLong = `Jettison removes container images: it untags references, deletes images and
layers that nothing needs any more, and says what stands in the way.

The store is a directory, given by --store, else by $JETTISON_STORE, else
jettison in the user's data directory.

Exit status: 0 done, 1 refused or failed, 2 wrong usage.`

const rootExample = `  jettison load -i images.tar
  jettison images
  jettison rmi --dry-run app:1.0
  jettison rmi app:1.0
  jettison prune -a --dry-run --explain`

// settings are what the flags common to all commands say.
type settings struct {
	store  string
	format string
}

func newRoot() *cobra.Command {
	set := &settings{}
	root := &cobra.Command{
		Use:           "jettison",
		Short:         "Remove container images, safely",
		Long:          rootLong,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return set.check() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&set.store, "store", defaultStore(), "directory of the store")
	flags.StringVar(&set.format, "format", formatText, "output: text, or json for one JSON value per line")
	root.AddCommand(
		newLoad(set), newImages(set), newTag(set), newRemove(set), newPrune(set), newContainer(set), newInspect(set), newVersion(set),
	)
	return root
}

// A failed error is one of carrying out a command that was understood.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// A misused error is one of the command line that shows only once the store is
// open.
type misused struct{ error }

func (m misused) Unwrap() error { return m.error }

// errReported stands for errors that have been printed already.
var errReported = errors.New("some images were not removed")

func isReported(err error) bool { return errors.Is(err, errReported) }

// exitStatus is 1 for a command that failed and 2 for one that was not
// understood.
func exitStatus(err error) int {
	var f failed
	var m misused
	if errors.As(err, &f) && !errors.As(err, &m) {
		return 1
	}
	return 2
}

// action makes a cobra action of fn, whose errors are failures of a command
// that was understood.
func action(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fn(cmd, args); err != nil {
			return failed{err}
		}
		return nil
	}
}
