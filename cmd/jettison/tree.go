package main

import (
	"io"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
)

// The further forms of tree.
const (
	formatDot     = "dot"
	formatMermaid = "mermaid"
)

const treeLong = `Show how images hang together: which were built from which, the platforms of an
index, what is about an image (signatures, SBOMs), and which layers are shared
with whom. The unique size of an image is what only it holds: what deleting it,
and it alone, would free.

Without arguments all images are shown; otherwise those named, with what hangs on
them.`

func newTree(set *settings) *cobra.Command {
	format := formatText
	cmd := &cobra.Command{
		Use:     "tree [REF...]",
		Short:   "Show how images hang together",
		Long:    treeLong,
		Example: "  jettison tree\n  jettison tree app:1.0\n  jettison tree --format dot | dot -Tsvg > images.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			draw, err := drawing(format)
			if err != nil {
				return err
			}
			return action(func(cmd *cobra.Command, args []string) error {
				return set.read(cmd, func(store *opened) error {
					return set.tree(cmd, store, args, draw)
				})
			})(cmd, args)
		},
		ValidArgsFunction: set.complete(listReferences),
	}
	cmd.Flags().StringVar(&format, "format", formatText, "output `FORM`: text, json, dot (Graphviz) or mermaid")
	_ = cmd.RegisterFlagCompletionFunc("format", // fails only for a flag that is not there
		cobra.FixedCompletions([]string{formatText, formatJSON, formatDot, formatMermaid}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// A draw writes a graph in one form.
type draw func(io.Writer, *graph) error

func drawing(format string) (draw, error) {
	switch format {
	case formatText:
		return drawText, nil
	case formatJSON:
		return drawJSON, nil
	case formatDot:
		return drawDot, nil
	case formatMermaid:
		return drawMermaid, nil
	}
	return nil, errors.Errorf("unknown --format %q: want text, json, dot or mermaid", format)
}

func (s *settings) tree(cmd *cobra.Command, store *opened, refs []string, draw draw) error {
	g, err := newGraph(cmd.Context(), store)
	if err != nil {
		return err
	}
	for _, damaged := range g.damaged {
		s.tell(cmd.ErrOrStderr(), message{Warning: damaged})
	}
	var failures []failure
	for _, ref := range refs {
		found, err := store.service.Resolve(cmd.Context(), ref)
		if err == nil {
			g.choose(found.Image.ID)
		}
		failures = append(failures, failure{reference: ref, err: err})
	}
	if len(refs) == 0 {
		g.chooseRoots()
	}
	if err := draw(cmd.OutOrStdout(), g); err != nil {
		return err
	}
	return s.reportAll(cmd, failures)
}

func drawJSON(w io.Writer, g *graph) error {
	out := printer{w: w}
	for _, id := range g.reached() {
		out.json(g.images[id])
	}
	return out.err
}
