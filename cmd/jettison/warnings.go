package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// warnings is the log handler of the library: what it warns of goes to
// standard error, each text once.
type warnings struct {
	*told
	attrs []slog.Attr
}

// told is what several handlers of one log share.
type told struct {
	settings *settings
	w        io.Writer

	mu   sync.Mutex
	seen map[string]bool
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	return slog.New(&warnings{told: &told{settings: s, w: w, seen: make(map[string]bool)}})
}

// Enabled leaves out what is no warning.
func (h *warnings) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle writes the message, what it is about and the error that it speaks of:
// "Warning: cannot remove a file (digest sha256:…): permission denied".
func (h *warnings) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	h.tell(r.Message + textOf(attrs))
	return nil
}

func (t *told) tell(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.seen[text] {
		t.seen[text] = true
		t.settings.tell(t.w, message{Warning: text})
	}
}

// textOf leaves out what the text of the error says already.
func textOf(attrs []slog.Attr) string {
	var cause string
	if i := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == "error" }); i >= 0 {
		cause = ": " + attrs[i].Value.String()
	}
	var about []string
	for _, a := range attrs {
		if a.Key != "error" && !strings.Contains(cause, a.Value.String()) {
			about = append(about, a.Key+" "+a.Value.String())
		}
	}
	if len(about) == 0 {
		return cause
	}
	return fmt.Sprintf(" (%s)%s", strings.Join(about, ", "), cause)
}

// WithAttrs returns a handler that says these with each warning.
func (h *warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &warnings{told: h.told, attrs: slices.Concat(h.attrs, attrs)}
}

// WithGroup returns the handler itself: groups mean nothing to users.
func (h *warnings) WithGroup(string) slog.Handler { return h }
