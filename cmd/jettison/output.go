package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/docker/go-units"
)

// The forms of output.
const (
	formatText = "text"
	formatJSON = "json"
)

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	return json.NewEncoder(w).Encode(v)
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

// print writes v as a line of JSON if that is asked for, and text otherwise.
func (s *settings) print(w io.Writer, v any, text string) error {
	if s.format == formatJSON {
		return printJSON(w, v)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
