package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
)

// A branch is a line of the tree with what hangs on it.
type branch struct {
	text string
	on   []branch
}

// drawText draws a tree for a terminal.
func drawText(w io.Writer, g *graph) error {
	out := printer{w: w}
	seen := make(map[digest.Digest]bool)
	for _, root := range g.roots {
		if seen[root] {
			continue // it hangs on another one that was asked for
		}
		g.branch("", root, seen).draw(&out, "", "")
	}
	return out.err
}

// branch is an image with all that hangs on it. One that was drawn before is
// only named.
func (g *graph) branch(kind string, id digest.Digest, seen map[digest.Digest]bool) branch {
	n := g.images[id]
	if n == nil {
		return branch{text: kind + conflict.Short(id.String()) + " (damaged)"}
	}
	b := branch{text: kind + n.title()}
	if seen[id] {
		b.text += " (above)"
		return b
	}
	seen[id] = true
	for _, p := range n.Platforms {
		text := fmt.Sprintf("platform %s  %s", p.Platform, conflict.Short(p.Digest.String()))
		if p.Missing {
			text += " (not in the store)"
		}
		b.on = append(b.on, branch{text: text})
	}
	for _, layer := range n.Layers {
		text := fmt.Sprintf("layer %s  %s", conflict.Short(layer.ChainID.String()), size(layer.Size))
		if shared := g.sharedWith(layer, id); len(shared) > 0 {
			text += "  shared with " + strings.Join(shared, ", ")
		}
		b.on = append(b.on, branch{text: text})
	}
	for _, referrer := range n.Referrers {
		b.on = append(b.on, g.branch("about it: ", referrer, seen))
	}
	for _, child := range n.Children {
		b.on = append(b.on, g.branch("child ", child, seen))
	}
	return b
}

// title is the line of an image.
func (n *node) title() string {
	names := slices.Clone(n.Names)
	if len(names) == 0 {
		names = []string{none}
	}
	return fmt.Sprintf("%s  %s  %s (%s unique)", strings.Join(names, " "), conflict.Short(n.ID.String()), size(n.Size), size(n.Unique))
}

// draw writes a line, begun by first, and those that hang on it, begun by rest.
func (b branch) draw(out *printer, first, rest string) {
	out.linef("%s%s", first, b.text)
	for i, next := range b.on {
		if i < len(b.on)-1 {
			next.draw(out, rest+"├─ ", rest+"│  ")
		} else {
			next.draw(out, rest+"└─ ", rest+"   ")
		}
	}
}
