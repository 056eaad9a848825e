package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

const historyLong = `Show how an image was made: its steps, newest first.

A step has the ID of the image that it made where the store has that, and else
<missing>. SIZE is what its layer takes in the store, which may be compressed.`

// missing stands for an image that is not there, as in Docker's table.
const missing = "<missing>"

// historyFlags are the flags of history.
type historyFlags struct{ noTrunc, quiet bool }

func newHistory(set *settings) *cobra.Command {
	var flags historyFlags
	cmd := &cobra.Command{
		Use:     "history [flags] REF",
		Short:   "Show how an image was made",
		Long:    historyLong,
		Example: "  jettison history app:1.0\n  jettison history --no-trunc --format json app:1.0",
		Args:    operands("REF", 1, 1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return set.read(cmd, func(store *opened) error {
				steps, err := history(cmd.Context(), store, args[0])
				if err != nil {
					return err
				}
				return set.printHistory(cmd.OutOrStdout(), steps, flags)
			})
		}),
		ValidArgsFunction: set.complete(listReferences, nil),
	}
	f := cmd.Flags()
	f.BoolVar(&flags.noTrunc, "no-trunc", false, "print full IDs and texts")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "print only IDs")
	return cmd
}

// historyStep is a step of the history and its JSON. The names are Docker's.
type historyStep struct {
	ID        string
	Created   time.Time `json:",omitzero"`
	CreatedBy string
	Size      int64
	Comment   string
}

// history returns the steps of an image, newest first.
func history(ctx context.Context, store *opened, ref string) ([]historyStep, error) {
	found, err := store.service.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	config, err := readConfig(ctx, store, found.Image.ID)
	if err != nil {
		return nil, err
	}
	line, err := ancestors(ctx, store, found.Image)
	if err != nil {
		return nil, err
	}
	sizes, err := layerSizes(ctx, store, found.Image.Layer)
	if err != nil {
		return nil, err
	}
	steps := make([]historyStep, 0, len(config.History))
	for i, h := range slices.Backward(config.History) {
		step := stepOf(h)
		if !h.EmptyLayer && len(sizes) > 0 {
			step.Size, sizes = sizes[0], sizes[1:]
		}
		if id, ok := line[i+1]; ok {
			step.ID = id.String()
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func stepOf(h ocispec.History) historyStep {
	step := historyStep{ID: missing, CreatedBy: h.CreatedBy, Comment: h.Comment}
	if h.Created != nil {
		step.Created = h.Created.UTC()
	}
	return step
}

// readConfig reads the configuration of an image, which its ID names, or its
// manifest if the ID names that.
func readConfig(ctx context.Context, store *opened, id digest.Digest) (config ocispec.Image, err error) {
	data, err := readDocument(ctx, store, id)
	if err != nil {
		return config, err
	}
	var manifest struct{ Config ocispec.Descriptor }
	if json.Unmarshal(data, &manifest) == nil && manifest.Config.Digest != "" {
		if data, err = readDocument(ctx, store, manifest.Config.Digest); err != nil {
			return config, err
		}
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return config, class.Errorf(class.Internal, "configuration of image %s: %w", id, err)
	}
	if config.RootFS.Type == "" && config.RootFS.DiffIDs == nil {
		return config, class.Errorf(class.InvalidArgument, "image %s has no history: it is not one of a single platform", id)
	}
	return config, nil
}

// readDocument reads a small piece of content.
func readDocument(ctx context.Context, store *opened, id digest.Digest) ([]byte, error) {
	if store.config != nil {
		return store.config(ctx, id)
	}
	src, err := store.source()
	if err != nil {
		return nil, err
	}
	blob, err := src.Blob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }() // nothing was written
	return io.ReadAll(blob)
}

// ancestors are the image and those that it was made from, by the number of
// steps that each has.
func ancestors(ctx context.Context, store *opened, img imagestore.Image) (map[int]digest.Digest, error) {
	line := make(map[int]digest.Digest)
	for id := img.ID; id != ""; {
		config, err := readConfig(ctx, store, id)
		if class.Is(err, class.NotFound) { // the parent has gone
			return line, nil
		}
		if err != nil {
			return nil, err
		}
		if _, again := line[len(config.History)]; again { // no step between them, or a circle
			return line, nil
		}
		line[len(config.History)] = id
		err = store.View(ctx, func(stores jettison.Stores) error {
			record, err := stores.Images.Get(ctx, id)
			id = record.Parent
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return line, nil
}

// layerSizes are the sizes of an image's layers, top to base.
func layerSizes(ctx context.Context, store *opened, chain digest.Digest) (sizes []int64, err error) {
	err = store.View(ctx, func(stores jettison.Stores) error {
		sizes = nil
		for at := chain; at != ""; {
			layer, err := stores.Images.Layer(ctx, at)
			if err != nil {
				return err
			}
			var n int64
			for _, c := range layer.Content {
				n += c.Size
			}
			sizes = append(sizes, n)
			at = layer.Parent
		}
		return nil
	})
	return sizes, err
}

func (s *settings) printHistory(w io.Writer, steps []historyStep, flags historyFlags) error {
	if flags.quiet && s.format == formatText {
		out := printer{w: w}
		for _, step := range steps {
			out.linef("%s", flags.id(step.ID))
		}
		return out.err
	}
	out := s.table(w, "IMAGE\tCREATED\tCREATED BY\tSIZE\tCOMMENT")
	for _, step := range steps {
		out.row(step, flags.id(step.ID), age(step.Created), flags.text(step.CreatedBy), size(step.Size), strings.Map(onOneLine, step.Comment))
	}
	return out.flush()
}

func (f historyFlags) id(id string) string {
	if f.noTrunc {
		return id
	}
	return conflict.Short(id)
}

// maxCreatedBy is how much of a command a table shows, as Docker does.
const maxCreatedBy = 45

// text is a command on one line, cut as Docker does.
func (f historyFlags) text(text string) string {
	text = strings.Join(strings.Fields(strings.Map(onOneLine, text)), " ")
	if runes := []rune(text); !f.noTrunc && len(runes) > maxCreatedBy {
		return string(runes[:maxCreatedBy-1]) + "…"
	}
	return text
}

// onOneLine makes spaces of what would break a table or command the terminal.
func onOneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
