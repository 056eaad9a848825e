package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/transfer"
)

const copyLong = `Copy images from one store to another, all of those given or none.

A store is a directory as --store has it, or oci:DIR, the directory of an OCI
image layout. The one that is not given by --from or --to is that of --store. A
target that is not there is made.

References mean what they mean to save: the mere name of a repository stands for
all its tags, and an image given by its ID gets no name. With --all everything is
copied. Only content that the target lacks is copied; a name that another image
has there moves. An image for several platforms is copied whole unless --platform
takes one, and with an image goes what is about it, such as signatures and SBOMs.`

const copyExample = `  jettison copy --to /srv/images app:1.0
  jettison copy --to oci:layout app web:1.0
  jettison copy --from oci:layout --all`

// copyFlags are the flags of copy.
type copyFlags struct {
	from, to, platform string
	all, quiet         bool
}

func newCopy(set *settings) *cobra.Command {
	var flags copyFlags
	cmd := &cobra.Command{
		Use:     "copy {--from STORE | --to STORE} {REF... | --all}",
		Short:   "Copy images from one store to another",
		Long:    copyLong,
		Example: copyExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := flags.options(cmd, set, args)
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.copyImages(cmd, args, flags, opts)
			})(cmd, args)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			source := *set
			if flags.from != "" {
				source.store = flags.from
			}
			return source.complete(listReferences)(cmd, args, begin)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "`STORE` to copy from: a directory, or oci:DIR (default: that of --store)")
	f.StringVar(&flags.to, "to", "", "`STORE` to copy to: a directory, or oci:DIR (default: that of --store)")
	f.StringVar(&flags.platform, "platform", "", "`PLATFORM` to take of an image for several: os/arch[/variant] (default: all)")
	f.BoolVarP(&flags.all, "all", "a", false, "copy all images")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "show no progress")
	return cmd
}

// options are the options of the copy. What is wrong with them is wrong usage.
func (f *copyFlags) options(cmd *cobra.Command, set *settings, refs []string) (transfer.CopyOptions, error) {
	var opts transfer.CopyOptions
	for _, name := range []string{"from", "to"} {
		if cmd.Flags().Changed(name) && cmd.Flag(name).Value.String() == "" {
			return opts, errors.Errorf("--%s is empty: want a directory or oci:DIR", name)
		}
	}
	switch {
	case f.from == "" && f.to == "":
		return opts, errors.New("where to? Give --to, --from or both")
	case f.all && len(refs) > 0:
		return opts, errors.New("--all copies all images: give no references with it")
	case !f.all && len(refs) == 0:
		return opts, errors.New("no images are given: name some, or all with --all")
	}
	if f.from == "" {
		f.from = set.store
	}
	if f.to == "" {
		f.to = set.store
	}
	if samePlace(f.from, f.to) {
		return opts, errors.New("the images are to be copied to where they are")
	}
	for _, store := range []string{f.from, f.to} {
		place := settings{store: store, format: set.format, wait: max(set.wait, 1)}
		if err := place.check(); err != nil {
			return opts, err
		}
		if place.dir() == "" {
			return opts, place.worksOn(ofOurs)
		}
	}
	p, err := platformFlag(cmd.Flags(), f.platform)
	if p != nil {
		opts.Platform = *p
	}
	return opts, err
}

// samePlace reports whether two stores are the same directory.
func samePlace(a, b string) bool {
	infoA, errA := os.Stat((&settings{store: a}).dir())
	infoB, errB := os.Stat((&settings{store: b}).dir())
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// copyImages opens the source, then the target, and copies.
func (s *settings) copyImages(cmd *cobra.Command, refs []string, flags copyFlags, opts transfer.CopyOptions) error {
	bars := newBars(progressOf(cmd, flags.quiet), countBytes)
	opts.Progress = bars.load()
	source := *s
	source.store = flags.from
	return source.read(cmd, func(store *opened) error {
		src, err := store.source()
		if err != nil {
			return err
		}
		target := *s
		target.store = flags.to
		return target.copyTo(cmd, src, refs, opts, bars)
	})
}

// copyTo copies images into the store and prints what was copied.
func (s *settings) copyTo(cmd *cobra.Command, src transfer.Source, refs []string, opts transfer.CopyOptions, bars *bars) error {
	if dir, isLayout := s.layoutDir(); isLayout {
		saved, err := s.copyToLayout(cmd, dir, src, refs, opts)
		bars.finish(err == nil)
		if err != nil {
			return err
		}
		return s.printSaved(cmd, saved)
	}
	return s.create(cmd, func(store *opened) error {
		report, err := transfer.Copy(cmd.Context(), store.disk, src, refs, opts)
		bars.finish(err == nil)
		if err != nil {
			return err
		}
		return s.printCopied(cmd, report)
	})
}

// copyToLayout copies images into an image layout, or makes one of them.
func (s *settings) copyToLayout(cmd *cobra.Command, dir string, src transfer.Source, refs []string, opts transfer.CopyOptions) (saved []transfer.SavedImage, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return transfer.Save(cmd.Context(), src, dir, refs, transfer.SaveOptions{
			Format: transfer.OCILayout, Platform: opts.Platform, Progress: opts.Progress,
		})
	}
	err = s.change(cmd, func(store *opened) error {
		saved, err = transfer.CopyToLayout(cmd.Context(), store.layout, src, refs, opts)
		return err
	})
	return saved, err
}

// printCopied prints what a store has got.
func (s *settings) printCopied(cmd *cobra.Command, report *transfer.Report) error {
	out := printer{w: cmd.OutOrStdout()}
	for _, img := range report.Images {
		out.image(s.format, "Copied", loadedOf(img))
	}
	s.tellLoaded(cmd.ErrOrStderr(), report)
	return out.err
}

// printSaved prints what a layout has got.
func (s *settings) printSaved(cmd *cobra.Command, saved []transfer.SavedImage) error {
	out := printer{w: cmd.OutOrStdout()}
	for _, img := range saved {
		s.tellReplaced(cmd, img)
		out.image(s.format, "Copied", loadedImage{ID: img.ID.String(), Names: familiar(img.Names)})
	}
	return out.err
}

// tellReplaced says that an image has another manifest than the one it came
// with.
func (s *settings) tellReplaced(cmd *cobra.Command, img transfer.SavedImage) {
	if img.Replaces != "" {
		s.tell(cmd.ErrOrStderr(), message{Note: fmt.Sprintf("Image %s has got a new manifest: the store has its layers in another form than manifest %s says",
			conflict.Short(img.ID.String()), conflict.Short(img.Replaces.String()))})
	}
}

// familiar are the short forms of names; an empty list when there are none.
func familiar(names []reference.Named) []string {
	out := []string{}
	for _, name := range names {
		out = append(out, reference.FamiliarString(name))
	}
	return out
}
