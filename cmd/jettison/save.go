package main

import (
	"io"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/transfer"
)

const saveLong = `Save images to an archive that docker load, podman load, skopeo and others read.

The archive goes to standard output unless -o is given. Its form is that of
docker save, or with --format an OCI archive (oci-archive) or the directory of
an OCI image layout (oci-dir). In the OCI forms an image keeps its manifest, and
so its digest; one that came without a manifest gets one. The same images always
make the same archive.

The OCI forms hold an image for several platforms whole, unless --platform takes
one, and what is about an image, such as signatures and SBOMs. The form of docker
save has one platform, this machine's by default, and leaves the rest out.

An image is saved with the tags by which it is given. As with docker save, the
mere name of a repository stands for all its tags, and an image given by its ID
has no name.

A file that is there is replaced when the new one is whole; until then, and
after an error or an interrupt, it is as it was.`

const saveExample = `  jettison save -o app.tar app:1.0
  jettison save app | docker load
  jettison save --format oci-archive -o images.tar app:1.0 web:1.0
  jettison save --format oci-dir -o layout app:1.0`

// stdout is how -o names standard output.
const stdout = "-"

// saveFlags are the flags of save.
type saveFlags struct {
	output, platform string
	layout           saveFormat
	quiet            bool
}

func newSave(set *settings) *cobra.Command {
	flags := saveFlags{layout: saveFormat{archive: transfer.DockerArchive, output: &set.format}}
	cmd := &cobra.Command{
		Use:     "save [-o FILE] [--format FORM] REF...",
		Short:   "Save images to an archive",
		Long:    saveLong,
		Example: saveExample,
		Args:    operands("REF...", 1, anyNumber),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd)
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.read(cmd, func(store *opened) error {
					return set.save(cmd, store, args, flags, opts)
				})
			})(cmd, args)
		},
		ValidArgsFunction: set.complete(listReferences),
	}
	f := cmd.Flags()
	f.StringVarP(&flags.output, "output", "o", "", "`FILE` or directory to write, or - for standard output")
	f.Var(&flags.layout, "format", "`FORM` of the archive: docker-archive, oci-archive or oci-dir; or text or json, of messages")
	f.StringVar(&flags.platform, "platform", "", "`PLATFORM` to save of an image for several: os/arch[/variant] (default: all; for a docker-archive this machine's)")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	_ = cmd.RegisterFlagCompletionFunc("format", // fails only for a flag that is not there
		cobra.FixedCompletions(flags.layout.choices(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// A saveFormat is the flag --format of save: the form of the archive, and, as
// with all commands, that of the output.
type saveFormat struct {
	archive transfer.Format
	output  *string
}

// String is the form of the output when that is not the default, else the form
// of the archive.
func (f *saveFormat) String() string {
	if f.output != nil && *f.output == formatJSON {
		return formatJSON
	}
	return string(f.archive)
}

// Set takes a form of either kind.
func (f *saveFormat) Set(text string) error {
	switch {
	case slices.Contains(transfer.Formats(), transfer.Format(text)):
		f.archive = transfer.Format(text)
	case text == formatText || text == formatJSON:
		*f.output = text
	default:
		return errors.Errorf("want one of %s", strings.Join(f.choices(), ", "))
	}
	return nil
}

// Type is what the help calls the value.
func (f *saveFormat) Type() string { return "form" }

func (f *saveFormat) choices() []string {
	var all []string
	for _, format := range transfer.Formats() {
		all = append(all, string(format))
	}
	return append(all, formatText, formatJSON)
}

// options are the options of the save. What is wrong with them is wrong usage.
func (f *saveFlags) options(cmd *cobra.Command) (transfer.SaveOptions, error) {
	opts := transfer.SaveOptions{Format: f.layout.archive}
	if !cmd.Flags().Changed("output") {
		f.output = stdout
	}
	switch {
	case f.output == "":
		return opts, errors.New("--output is empty: want a file, a directory or -")
	case f.output == stdout && f.layout.archive == transfer.OCILayout:
		return opts, errors.New("an image layout is a directory: name it with -o")
	case f.output == stdout && toTerminal(cmd):
		return opts, errors.New("cowardly refusing to save to a terminal: give a file with -o, or redirect standard output")
	}
	p, err := platformFlag(cmd.Flags(), f.platform)
	if p != nil {
		opts.Platform = *p
	}
	return opts, err
}

// toTerminal reports whether standard output is a terminal.
func toTerminal(cmd *cobra.Command) bool {
	out, ok := cmd.OutOrStdout().(*results)
	return ok && isTerminal(out.w)
}

func (s *settings) save(cmd *cobra.Command, store *opened, refs []string, flags saveFlags, opts transfer.SaveOptions) error {
	bars := newBars(progressOf(cmd, flags.quiet), countBytes)
	opts.Progress = bars.load()
	saved, err := saveTo(cmd, store, refs, flags.output, opts)
	bars.finish(err == nil)
	if err != nil {
		return err
	}
	out := printer{w: cmd.OutOrStdout()}
	for _, img := range saved {
		s.tellReplaced(cmd, img)
		if s.format == formatJSON && flags.output != stdout {
			out.json(savedOf(img))
		}
	}
	return out.err
}

func saveTo(cmd *cobra.Command, store *opened, refs []string, output string, opts transfer.SaveOptions) ([]transfer.SavedImage, error) {
	src, err := store.source()
	if err != nil {
		return nil, err
	}
	if output == stdout {
		return transfer.SaveWriter(cmd.Context(), src, cmd.OutOrStdout(), refs, opts)
	}
	return transfer.Save(cmd.Context(), src, output, refs, opts)
}

// source is the store as one whose content can be read.
func (o *opened) source() (transfer.Source, error) {
	src, ok := o.Backend.(transfer.Source)
	if !ok {
		return nil, class.Errorf(class.InvalidArgument, "the content of images in a store of this kind cannot be read")
	}
	return src, nil
}

// progressOf is where the progress of a command goes.
func progressOf(cmd *cobra.Command, quiet bool) io.Writer {
	if quiet {
		return io.Discard
	}
	return cmd.ErrOrStderr()
}

// savedImage is the JSON of a saved image.
type savedImage struct {
	ID       string
	Names    []string
	Manifest string `json:",omitempty"`
}

func savedOf(img transfer.SavedImage) savedImage {
	return savedImage{ID: img.ID.String(), Names: familiar(img.Names), Manifest: img.Manifest.String()}
}
