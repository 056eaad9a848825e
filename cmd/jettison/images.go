package main

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// imagesFlags are the flags of images.
type imagesFlags struct {
	all, quiet, noTrunc, digests bool
	filters                      []string
}

// none stands for a name that is not there, as in Docker's table.
const none = "<none>"

func newImages(set *settings) *cobra.Command {
	var flags imagesFlags
	cmd := &cobra.Command{
		Use:   "images [flags]",
		Short: "List images, newest first",
		Long: `List images, newest first, a line for each reference.

Images without a reference that others are built from are left out unless --all
is given. Filters are those of prune.`,
		Example: "  jettison images\n  jettison images -a --format json\n  jettison images --filter 'reference=app:1.*'",
		Args:    noArgs,

		SuggestFor: []string{"list", "ls"},

		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := flags.filter()
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, _ []string) error {
				return set.read(cmd, func(store *opened) error {
					return set.images(cmd, store, flags, chosen)
				})
			})(cmd, args)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.all, "all", "a", false, "list intermediate images too")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "print only IDs")
	f.BoolVar(&flags.noTrunc, "no-trunc", false, "print full IDs")
	f.BoolVar(&flags.digests, "digests", false, "list digest references too")
	f.StringArrayVar(&flags.filters, "filter", nil, "list only images that pass `KEY=VALUE`; may be repeated")
	return cmd
}

// images lists the images. One whose record is damaged passes no filter; that
// it is there is said all the same.
func (s *settings) images(cmd *cobra.Command, store *opened, flags imagesFlags, f *filter.Filter) error {
	rows, err := listImages(cmd.Context(), store, flags, f)
	if err != nil {
		return err
	}
	if f != nil {
		told := make(map[digest.Digest]bool)
		rows = slices.DeleteFunc(rows, func(row imageRow) bool {
			if row.Damaged != "" && !told[row.ID] {
				told[row.ID] = true
				s.tell(cmd.ErrOrStderr(), message{Warning: row.ID.String() + " is left out: " + row.Damaged})
			}
			return row.Damaged != ""
		})
	}
	return s.printImages(cmd.OutOrStdout(), rows, flags)
}

// imageRow is a line of the list and its JSON.
type imageRow struct {
	Repository string
	Tag        string
	Digest     string `json:",omitempty"`
	ID         digest.Digest
	Created    time.Time `json:",omitzero"`
	Size       int64
	Damaged    string `json:",omitempty"`
}

// listImages lists the images newest first, then by name.
func listImages(ctx context.Context, store *opened, flags imagesFlags, f *filter.Filter) ([]imageRow, error) {
	var rows []imageRow
	err := store.View(ctx, func(stores jettison.Stores) error {
		chosen, err := store.selection(ctx, stores, f)
		if err != nil {
			return err
		}
		for img, err := range stores.Images.All(ctx) {
			row := imageRow{ID: img.ID, Created: img.Created, Size: img.Size}
			var damage *imagestore.UnreadableError
			switch {
			case errors.As(err, &damage):
				row.ID, row.Damaged = damage.ID, damage.Error()
			case err != nil:
				return err
			}
			refs, err := stores.References.References(ctx, row.ID)
			if err != nil {
				return err
			}
			if row.Damaged == "" {
				var listed bool
				if refs, listed, err = choose(ctx, chosen, f, img, refs); err != nil {
					return err
				} else if !listed {
					continue
				}
			}
			named, err := rowsOf(ctx, stores, row, refs, flags)
			if err != nil {
				return err
			}
			rows = append(rows, named...)
		}
		return nil
	})
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
	return rows, err
}

// rowsOf returns a row for each reference of the image, or one without a name.
func rowsOf(ctx context.Context, stores jettison.Stores, row imageRow, refs []reference.Named, flags imagesFlags) ([]imageRow, error) {
	var rows []imageRow
	digestOf := make(map[string]bool)
	for _, ref := range refs {
		named := row
		named.Repository, named.Tag, named.Digest = reference.FamiliarName(ref), none, ""
		switch ref := ref.(type) {
		case reference.Canonical:
			if !flags.digests && hasTag(refs, ref) || !flags.digests && digestOf[ref.Name()] {
				continue
			}
			digestOf[ref.Name()], named.Digest = true, ref.Digest().String()
		case reference.Tagged:
			named.Tag = ref.Tag()
		}
		rows = append(rows, named)
	}
	if len(rows) > 0 {
		return rows, nil
	}
	children, err := stores.Images.Children(ctx, row.ID)
	if err != nil || len(children) > 0 && !flags.all {
		return nil, err
	}
	row.Repository, row.Tag = none, none
	return []imageRow{row}, nil
}

// hasTag reports whether a tag of the repository of ref is among refs.
func hasTag(refs []reference.Named, ref reference.Named) bool {
	return slices.ContainsFunc(refs, func(r reference.Named) bool {
		_, tagged := r.(reference.Tagged)
		return tagged && r.Name() == ref.Name()
	})
}

func (s *settings) printImages(w io.Writer, rows []imageRow, flags imagesFlags) error {
	if flags.quiet && s.format == formatText {
		return printIDs(w, rows, flags)
	}
	header := "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE"
	if flags.digests {
		header = "REPOSITORY\tTAG\tDIGEST\tIMAGE ID\tCREATED\tSIZE"
	}
	out := s.table(w, header)
	for _, row := range rows {
		out.row(row, row.cells(flags)...)
	}
	return out.flush()
}

func (r imageRow) cells(flags imagesFlags) []string {
	cells := []string{r.Repository, r.Tag}
	if flags.digests {
		cells = append(cells, cmp.Or(r.Digest, none))
	}
	cells = append(cells, flags.id(r.ID))
	if r.Damaged != "" {
		return append(cells, "(damaged)", "-")
	}
	return append(cells, age(r.Created), size(r.Size))
}

func printIDs(w io.Writer, rows []imageRow, flags imagesFlags) error {
	out := printer{w: w}
	seen := make(map[digest.Digest]bool)
	for _, row := range rows {
		if !seen[row.ID] {
			out.linef("%s", flags.id(row.ID))
		}
		seen[row.ID] = true
	}
	return out.err
}

func (f imagesFlags) id(id digest.Digest) string {
	if f.noTrunc {
		return id.String()
	}
	return conflict.Short(id.String())
}

// age says how long ago an image was created, as Docker does.
func age(created time.Time) string {
	if created.IsZero() {
		return "N/A"
	}
	return units.HumanDuration(time.Since(created)) + " ago"
}
