package main

import (
	"cmp"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// A failure is an error with the text on the command line that it belongs to,
// if any.
type failure struct {
	reference string
	err       error
}

// outputFormat is the form of output that the command line asks for.
func outputFormat(cmd *cobra.Command) string { return cmd.Flag("format").Value.String() }

// report writes a failure to standard error, a refusal with all that stands in
// the way.
func report(w io.Writer, format string, f failure) {
	if format == formatJSON {
		_ = printJSON(w, failureOf(f)) // that this fails can be said nowhere
		return
	}
	note(w, "Error: %s\n", f.err)
	for _, c := range conflictsOf(f.err) {
		note(w, "  %s: %s\n", c, c.Hint())
	}
	if errors.Is(f.err, class.NotFound) && tooShort(f.reference) {
		note(w, "  if this is the beginning of an ID, give at least 4 digits of it\n")
	}
}

// tooShort reports whether a text is what Docker takes for the beginning of an ID
// and rule R3 does not.
func tooShort(text string) bool {
	hex := strings.TrimPrefix(text, "sha256:")
	return hex != "" && len(hex) < 4 && strings.Trim(hex, "0123456789abcdef") == ""
}

// reportAll reports the failures that are some; if there are any, it returns
// the error of a command that has reported its errors.
func (s *settings) reportAll(cmd *cobra.Command, failures []failure) error {
	var some []failure
	for _, f := range failures {
		if f.err != nil {
			report(cmd.ErrOrStderr(), s.format, f)
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return &reported{some}
}

func conflictsOf(err error) []conflict.Conflict {
	var refusal *conflict.Error
	if errors.As(err, &refusal) {
		return refusal.Conflicts
	}
	return nil
}

// failureJSON is the JSON of a failure.
type failureJSON struct {
	Reference string `json:",omitempty"`
	Error     string
	Class     string         `json:",omitempty"`
	Conflicts []conflictJSON `json:",omitempty"`
}

// conflictJSON is the JSON of one thing that stands in the way. ID is that of
// the child, the container or the lease.
type conflictJSON struct {
	Kind      string
	ID        string `json:",omitempty"`
	Name      string `json:",omitempty"` // of a container
	Purpose   string `json:",omitempty"` // of a lease
	Owner     string `json:",omitempty"` // of a lease, or of a container that is not the engine's
	Reference string `json:",omitempty"`
}

func failureOf(f failure) failureJSON {
	out := failureJSON{Reference: f.reference, Error: f.err.Error(), Class: className(f.err)}
	for _, c := range conflictsOf(f.err) {
		row := conflictJSON{
			Kind:    kindOf(c).String(),
			ID:      cmp.Or(c.Child.String(), c.Container.ID, c.Lease.ID),
			Name:    c.Container.Name,
			Purpose: string(c.Lease.Kind),
			Owner:   cmp.Or(c.Lease.Owner, c.Container.Owner),
		}
		if c.Reference != nil {
			row.Reference = reference.FamiliarString(c.Reference)
		}
		out.Conflicts = append(out.Conflicts, row)
	}
	return out
}

// kindOf is the kind of a conflict as its text calls it: a container that is stopped
// may keep its image like one that runs.
func kindOf(c conflict.Conflict) conflict.Kind {
	if c.Kind == conflict.RunningContainer && !c.Container.Running {
		return conflict.StoppedContainer
	}
	return c.Kind
}

// className is the class of an error, as rule E1 calls it; empty for one of
// the command itself.
func className(err error) string {
	switch has := class.Of(err); {
	case has == nil:
		return ""
	case errors.Is(has, class.InvalidArgument):
		return "InvalidArgument"
	case errors.Is(has, class.NotFound):
		return "NotFound"
	case errors.Is(has, class.Conflict):
		return "Conflict"
	case errors.Is(has, class.Unavailable):
		return "Unavailable"
	default:
		return "Internal"
	}
}

// A message is something that a user should know and that is no error.
type message struct {
	Warning string `json:",omitempty"`
	Note    string `json:",omitempty"`
}

// String is the message as text.
func (m message) String() string {
	if m.Warning != "" {
		return "Warning: " + m.Warning
	}
	return m.Note
}

// tell writes a message to standard error.
func (s *settings) tell(w io.Writer, m message) {
	if s.format == formatJSON {
		_ = printJSON(w, m) // that this fails can be said nowhere
		return
	}
	note(w, "%s\n", m)
}
