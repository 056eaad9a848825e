package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/docker/go-units"
)

// The forms of output.
const (
	formatText = "text"
	formatJSON = "json"
)

// results is standard output. It keeps the first error of writing, so that no
// command need look at it: help, for one, does not. A write that nobody reads may
// still be waiting when an interrupt has ended the command.
type results struct {
	w io.Writer

	mu    sync.Mutex
	first error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
	return n, err
}

// err is the first error of writing.
func (r *results) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // <none> stays <none>
	return enc.Encode(v)
}

// A printer writes lines of results. After an error it writes nothing more, so
// err is looked at once, at the end.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) linef(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) json(v any) {
	if p.err == nil {
		p.err = printJSON(p.w, v)
	}
}

// note writes to standard error. That this fails can be said nowhere.
func note(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}

// size writes a number of bytes as Docker does: 1.2kB.
func size(bytes int64) string { return units.HumanSize(float64(bytes)) }

// value writes v as a line of JSON if that is asked for, and text otherwise.
func (p *printer) value(format string, v any, text string) {
	if format == formatJSON {
		p.json(v)
		return
	}
	p.linef("%s", text)
}

// print writes one value.
func (s *settings) print(w io.Writer, v any, text string) error {
	out := printer{w: w}
	out.value(s.format, v, text)
	return out.err
}

// A table writes rows of cells under a header, or each row as a line of JSON.
type table struct {
	printer
	format string
	tabs   *tabwriter.Writer
}

// table begins a table with its header; the cells are separated by tabs.
func (s *settings) table(w io.Writer, header string) *table {
	tabs := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	t := &table{printer: printer{w: tabs}, format: s.format, tabs: tabs}
	if t.format != formatJSON {
		t.linef("%s", header)
	}
	return t
}

func (t *table) row(v any, cells ...string) {
	t.value(t.format, v, strings.Join(cells, "\t"))
}

// flush ends the table.
func (t *table) flush() error { return cmp.Or(t.err, t.tabs.Flush()) }
