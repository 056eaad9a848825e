package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/transfer"
)

const importLong = `Make an image of the tar archive of a root file system, and print its ID.

The archive is a file, a URL with http or https, or with - standard input, plain
or compressed with gzip or zstd. It becomes the one layer of the image; REF is
its name. A file that is empty, no tar archive, or leads out of the root is
refused.

--change sets a part of the configuration with an instruction as in a
Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
STOPSIGNAL, USER, VOLUME or WORKDIR. It may be repeated.

With $SOURCE_DATE_EPOCH, a number of seconds since 1970, the image is said to be
made then, and the same archive always makes the same image.

The store is made if it is not there.`

const importExample = `  jettison import rootfs.tar.gz app:1.0
  tar -C rootfs -c . | jettison import - app:1.0
  jettison import --change 'ENV PORT=80' --change 'CMD ["/srv"]' https://example.com/rootfs.tar app:1.0`

// importFlags are the flags of import.
type importFlags struct {
	changes           []string
	message, platform string
	maxSize           byteSize
	quiet             bool
}

func newImport(set *settings) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:     "import [flags] FILE|URL|- [REF]",
		Short:   "Make an image of a root file system",
		Long:    importLong,
		Example: importExample,
		Args:    operands("FILE|URL|- [REF]", 1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd, args)
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.create(cmd, func(store *opened) error {
					return set.importImage(cmd, store, args[0], flags, opts)
				})
			})(cmd, args)
		},
		ValidArgsFunction: completeImport(set),
	}
	f := cmd.Flags()
	f.StringArrayVarP(&flags.changes, "change", "c", nil, "apply the Dockerfile `INSTRUCTION` to the image; may be repeated")
	f.StringVarP(&flags.message, "message", "m", "", "`TEXT` for the history of the image")
	f.StringVar(&flags.platform, "platform", "", "`PLATFORM` of the image: os/arch[/variant] (default: this machine's)")
	f.Var(&flags.maxSize, "max-size", "maximum `SIZE` of a compressed archive when it is unpacked (default: 4GB, and more for a large archive)")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// completeImport completes a file, then a reference.
func completeImport(set *settings) cobra.CompletionFunc {
	refs := set.complete(nil, listReferences, nil)
	return func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return refs(cmd, args, begin)
	}
}

// options are the options of the import. What is wrong with them is wrong
// usage.
func (f *importFlags) options(cmd *cobra.Command, args []string) (opts transfer.ImportOptions, err error) {
	opts = transfer.ImportOptions{Changes: f.changes, Message: f.message, MaxSize: f.maxSize.bytes}
	switch {
	case args[0] == "":
		return opts, errors.New("the archive is empty: want a file, a URL or -")
	case args[0] == stdin && isTerminal(cmd.InOrStdin()):
		return opts, errors.New("an archive cannot be read from a terminal: give a file, or redirect standard input")
	}
	if len(args) == 2 {
		if opts.Name, err = reference.ParseNormalizedNamed(args[1]); err != nil {
			return opts, errors.Wrapf(err, "%q is not an image reference", args[1])
		}
	}
	if err := opts.Check(); err != nil {
		return opts, err
	}
	if opts.Created, err = sourceDate(); err != nil {
		return opts, err
	}
	p, err := platformFlag(cmd.Flags(), f.platform)
	if p != nil {
		opts.Platform = *p
	}
	return opts, err
}

// sourceDate is the time in $SOURCE_DATE_EPOCH, or zero.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, errors.Errorf("SOURCE_DATE_EPOCH=%s is not a number of seconds", text)
	}
	return time.Unix(seconds, 0), nil
}

func (s *settings) importImage(cmd *cobra.Command, store *opened, from string, flags importFlags, opts transfer.ImportOptions) error {
	bars := newBars(progressOf(cmd, flags.quiet), countBytes)
	opts.Progress = bars.load()
	if !flags.quiet && strings.Contains(from, "://") {
		opts.Progress = s.tellDownload(cmd, opts.Progress)
	}
	report, err := importFrom(cmd, store, from, opts)
	bars.finish(err == nil)
	if err != nil {
		return err
	}
	out := printer{w: cmd.OutOrStdout()}
	for _, img := range report.Images {
		loaded := loadedOf(img)
		out.value(s.format, loaded, loaded.ID)
	}
	s.tellLoaded(cmd.ErrOrStderr(), report)
	return out.err
}

func importFrom(cmd *cobra.Command, store *opened, from string, opts transfer.ImportOptions) (*transfer.Report, error) {
	if from == stdin {
		return transfer.ImportReader(cmd.Context(), store.disk, untilDone(cmd.Context(), cmd.InOrStdin()), opts)
	}
	return transfer.Import(cmd.Context(), store.disk, from, opts)
}

// tellDownload says, when the server has answered, how much is to come.
func (s *settings) tellDownload(cmd *cobra.Command, next func(transfer.Progress)) func(transfer.Progress) {
	return func(p transfer.Progress) {
		if p.Done == 0 {
			of := "of unknown size"
			if p.Total >= 0 {
				of = "of " + size(p.Total)
			}
			s.tell(cmd.ErrOrStderr(), message{Note: "Downloading an archive " + of})
		}
		if next != nil {
			next(p)
		}
	}
}
