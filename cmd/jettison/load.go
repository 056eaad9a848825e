package main

import (
	"io"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/transfer"
)

const loadLong = `Load every image of an archive, with all its names.

The archive is what docker save, podman save or skopeo copy write: a docker
archive, an OCI archive or the directory of an OCI layout, plain or compressed
with gzip or zstd. It is read from standard input unless -i is given. Either
all of it is loaded or nothing; a name that another image had moves.`

// loadFlags are the flags of load.
type loadFlags struct {
	input, platform string
	quiet           bool
}

func newLoad(set *settings) *cobra.Command {
	var flags loadFlags
	cmd := &cobra.Command{
		Use:     "load [-i FILE|DIR]",
		Short:   "Load images from an archive",
		Long:    loadLong,
		Example: "  jettison load -i images.tar\n  docker save app:1.0 | jettison load",
		Args:    cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return set.with(cmd.Context(), func(store *opened) error {
				return set.load(cmd, store, flags)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&flags.input, "input", "i", "", "file or directory to read instead of standard input")
	f.StringVar(&flags.platform, "platform", "", "platform to take of an image for several (default: this machine's)")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

func (s *settings) load(cmd *cobra.Command, store *opened, flags loadFlags) error {
	opts, err := flags.options()
	if err != nil {
		return err
	}
	progress := cmd.ErrOrStderr()
	if flags.quiet {
		progress = io.Discard
	}
	bars := newBars(progress, countBytes)
	opts.Progress = bars.load()
	report, err := s.loadFrom(cmd, store, flags.input, opts)
	bars.finish(err == nil)
	if err != nil {
		return err
	}
	return s.printLoaded(cmd.OutOrStdout(), cmd.ErrOrStderr(), report)
}

func (s *settings) loadFrom(cmd *cobra.Command, store *opened, input string, opts transfer.LoadOptions) (*transfer.Report, error) {
	if input != "" {
		return transfer.Load(cmd.Context(), store.Store, input, opts)
	}
	if isTerminal(cmd.InOrStdin()) {
		return nil, errors.New("an archive cannot be read from a terminal: give a file with -i, or redirect standard input")
	}
	return transfer.LoadReader(cmd.Context(), store.Store, cmd.InOrStdin(), opts)
}

func (f loadFlags) options() (transfer.LoadOptions, error) {
	var opts transfer.LoadOptions
	if f.platform == "" {
		return opts, nil
	}
	p, err := platforms.Parse(f.platform)
	if err != nil {
		return opts, errors.Wrapf(err, "--platform %q", f.platform)
	}
	opts.Platform = p
	return opts, nil
}

// loadedImage is the JSON of a loaded image.
type loadedImage struct {
	ID    string
	Names []string
}

func (s *settings) printLoaded(w, notes io.Writer, report *transfer.Report) error {
	out := printer{w: w}
	for _, img := range report.Images {
		loaded := loadedImage{ID: img.ID.String(), Names: []string{}}
		for _, name := range img.Names {
			loaded.Names = append(loaded.Names, reference.FamiliarString(name))
		}
		if s.format == formatJSON {
			out.json(loaded)
			continue
		}
		for _, name := range loaded.Names {
			out.linef("Loaded image: %s", name)
		}
		if len(loaded.Names) == 0 {
			out.linef("Loaded image ID: %s", loaded.ID)
		}
	}
	printNotes(notes, report)
	return out.err
}

// printNotes says what a user may not expect of the load.
func printNotes(w io.Writer, report *transfer.Report) {
	for _, moved := range report.Moved {
		note(w, "The name %s has moved; image %s had it before\n", reference.FamiliarString(moved.Name), conflict.Short(moved.From.String()))
	}
	for _, skipped := range report.Skipped {
		what := strings.TrimSpace(conflict.Short(skipped.Digest.String()) + " " + skipped.Name)
		note(w, "Skipped %s: %s\n", what, skipped.Reason)
	}
}
