package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/transfer"
)

const loadLong = `Load every image of an archive, with all its names.

The archive is what docker save, podman save or skopeo copy write: a docker
archive or an OCI archive, plain or compressed with gzip or zstd, the directory
of an OCI layout, or one of skopeo's dir: transport. It is read from standard
input unless -i is given, or with -i -. Either all of it is loaded or nothing; a
name that another image had moves.

An image for several platforms is kept whole, unless --platform chooses one;
signatures and the like come with what they are about.

The store is made if it is not there. Until the load has ended no other command
can change it: see --wait.`

// stdin is how -i names standard input.
const stdin = "-"

// loadFlags are the flags of load.
type loadFlags struct {
	input, platform string
	maxSize         byteSize
	localhost       bool
	quiet           bool
}

func newLoad(set *settings) *cobra.Command {
	var flags loadFlags
	cmd := &cobra.Command{
		Use:     "load [-i FILE|DIR]",
		Short:   "Load images from an archive",
		Long:    loadLong,
		Example: "  jettison load -i images.tar\n  jettison load --platform linux/arm64 -i images.tar\n  docker save app:1.0 | jettison load",
		Args:    loadArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd)
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, _ []string) error {
				return set.create(cmd, func(store *opened) error {
					return set.load(cmd, store, flags, opts)
				})
			})(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVarP(&flags.input, "input", "i", "", "`FILE` or directory to read, or - for standard input")
	f.Var(&flags.maxSize, "max-size", "maximum `SIZE` of a compressed archive when it is unpacked (default: 4GB, and more for a large archive)")
	f.StringVar(&flags.platform, "platform", "", "`PLATFORM` to take of an image for several: os/arch[/variant] (default: all)")
	f.BoolVar(&flags.localhost, "localhost", false, "put names that state no registry in localhost/, as podman load does")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// loadArgs accepts no arguments, and tells who gives a file where it belongs.
func loadArgs(cmd *cobra.Command, args []string) error {
	err := noArgs(cmd, args)
	if err == nil || cmd.Flags().Changed("input") {
		return err
	}
	return errors.Errorf("%s; to load a file use -i %s", err, args[0])
}

func (s *settings) load(cmd *cobra.Command, store *opened, flags loadFlags, opts transfer.LoadOptions) error {
	bars := newBars(progressOf(cmd, flags.quiet), countBytes)
	opts.Progress = bars.load()
	report, err := loadFrom(cmd, store, flags.input, opts)
	bars.finish(err == nil)
	if err != nil {
		return err
	}
	return s.printLoaded(cmd.OutOrStdout(), cmd.ErrOrStderr(), report)
}

func loadFrom(cmd *cobra.Command, store *opened, input string, opts transfer.LoadOptions) (*transfer.Report, error) {
	if input != stdin {
		return transfer.Load(cmd.Context(), store.disk, input, opts)
	}
	return transfer.LoadReader(cmd.Context(), store.disk, untilDone(cmd.Context(), cmd.InOrStdin()), opts)
}

// untilDone returns what in has until ctx ends; then reading fails, although
// in may never say anything again. What reads in is left behind.
func untilDone(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(w, in)
		_ = w.CloseWithError(err)
	}()
	return r
}

// options are the options of the load. What is wrong with them is wrong usage.
func (f *loadFlags) options(cmd *cobra.Command) (transfer.LoadOptions, error) {
	opts := transfer.LoadOptions{MaxSize: f.maxSize.bytes, Localhost: f.localhost}
	if !cmd.Flags().Changed("input") {
		f.input = stdin
	}
	switch {
	case f.input == "":
		return opts, errors.New("--input is empty: want a file, a directory or -")
	case f.input == stdin && isTerminal(cmd.InOrStdin()):
		return opts, errors.New("an archive cannot be read from a terminal: give a file with -i, or redirect standard input")
	}
	p, err := platformFlag(cmd.Flags(), f.platform)
	if p != nil {
		opts.Platform = *p
	}
	return opts, err
}

// loadedImage is the JSON of a loaded image.
type loadedImage struct {
	ID    string
	Names []string
}

func loadedOf(img transfer.LoadedImage) loadedImage {
	return loadedImage{ID: img.ID.String(), Names: familiar(img.Names)}
}

func (s *settings) printLoaded(w, notes io.Writer, report *transfer.Report) error {
	out := printer{w: w}
	for _, img := range report.Images {
		out.image(s.format, "Loaded", loadedOf(img))
	}
	s.tellLoaded(notes, report)
	return out.err
}

// image writes what was done with an image: a line for each of its names.
func (p *printer) image(format, done string, img loadedImage) {
	if format == formatJSON {
		p.json(img)
		return
	}
	for _, name := range img.Names {
		p.linef("%s image: %s", done, name)
	}
	if len(img.Names) == 0 {
		p.linef("%s image ID: %s", done, img.ID)
	}
}

// tellLoaded says what a user may not expect of the load.
func (s *settings) tellLoaded(w io.Writer, report *transfer.Report) {
	for _, moved := range report.Moved {
		s.tell(w, message{Note: fmt.Sprintf("The name %s has moved; image %s had it before",
			reference.FamiliarString(moved.Name), conflict.Short(moved.From.String()))})
	}
	for _, skipped := range report.Skipped {
		what := strings.TrimSpace(conflict.Short(skipped.Digest.String()) + " " + skipped.Name)
		s.tell(w, message{Note: fmt.Sprintf("Skipped %s: %s", what, skipped.Reason)})
	}
}
