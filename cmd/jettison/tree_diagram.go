package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
)

// An edge joins two things of a diagram.
type edge struct{ from, to, label string }

// A diagram is the nodes and edges of a graph: images, platforms, and the layers
// that several images have.
type diagram struct {
	ids    []string // in order
	labels map[string]string
	edges  []edge
}

func newDiagram(g *graph) *diagram {
	d := &diagram{labels: make(map[string]string)}
	drawn := g.reached()
	for _, id := range drawn {
		n := g.images[id]
		d.add(id.String(), strings.Join([]string{g.name(id), conflict.Short(id.String()), size(n.Size), size(n.Unique) + " unique"}, "\n"))
	}
	for _, id := range drawn {
		d.addEdges(g.images[id], drawn)
	}
	return d
}

// addEdges adds what hangs on an image.
func (d *diagram) addEdges(n *node, drawn []digest.Digest) {
	id := n.ID.String()
	for _, p := range n.Platforms {
		key := id + "/" + p.Digest.String()
		d.add(key, p.Platform+"\n"+conflict.Short(p.Digest.String()))
		d.edges = append(d.edges, edge{id, key, "platform"})
	}
	for _, layer := range n.Layers {
		if len(layer.Images) > 1 {
			key := "layer " + layer.ChainID.String()
			d.add(key, "layer "+conflict.Short(layer.ChainID.String())+"\n"+size(layer.Size))
			d.edges = append(d.edges, edge{id, key, "layer"})
		}
	}
	for _, referrer := range n.Referrers {
		if slices.Contains(drawn, referrer) {
			d.edges = append(d.edges, edge{referrer.String(), id, "about"})
		}
	}
	for _, child := range n.Children {
		if slices.Contains(drawn, child) {
			d.edges = append(d.edges, edge{id, child.String(), "child"})
		}
	}
}

func (d *diagram) add(id, label string) {
	if _, ok := d.labels[id]; !ok {
		d.ids = append(d.ids, id)
	}
	d.labels[id] = label
}

// drawDot writes a diagram for Graphviz.
func drawDot(w io.Writer, g *graph) error {
	d, out := newDiagram(g), printer{w: w}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	out.linef("digraph images {")
	out.linef("  node [shape=box]")
	for _, id := range d.ids {
		out.linef(`  "%s" [label="%s"]`, quote.Replace(id), quote.Replace(d.labels[id]))
	}
	for _, e := range d.edges {
		out.linef(`  "%s" -> "%s" [label="%s"]`, quote.Replace(e.from), quote.Replace(e.to), e.label)
	}
	out.linef("}")
	return out.err
}

// drawMermaid writes a diagram as Markdown viewers draw it.
func drawMermaid(w io.Writer, g *graph) error {
	d, out := newDiagram(g), printer{w: w}
	quote := strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", "<br>")
	key := func(id string) string { return fmt.Sprintf("n%d", slices.Index(d.ids, id)) }
	out.linef("graph TD")
	for _, id := range d.ids {
		out.linef(`  %s["%s"]`, key(id), quote.Replace(d.labels[id]))
	}
	for _, e := range d.edges {
		out.linef("  %s -->|%s| %s", key(e.from), e.label, key(e.to))
	}
	return out.err
}
