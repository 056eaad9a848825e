package podman_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/internal/class"
)

var (
	_ backends.Lister  = (*engine)(nil)
	_ backends.Spoiler = (*engine)(nil)
)

// List makes a list as `podman manifest create` does.
func (e *engine) List(_ context.Context, name string, instances []digest.Digest) (digest.Digest, error) {
	return e.list(name, nil, instances...), nil
}

func (e *engine) Lose(_ context.Context, id digest.Digest, document backends.Document) error {
	return class.Wrap(class.Unavailable, os.Remove(e.document(id, document)))
}

func (e *engine) Garble(_ context.Context, id digest.Digest, document backends.Document) error {
	return class.Wrap(class.Unavailable, os.WriteFile(e.document(id, document), []byte("{"), 0o600))
}

func (e *engine) Warnings() []string { return e.log.take() }

// A logged has what is logged, each a line without the time.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

// logger writes to it.
func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func (l *logged) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

// take returns the lines since the last call.
func (l *logged) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })
}
