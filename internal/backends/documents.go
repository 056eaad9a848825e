package backends

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A Lister is a [TestEngine] of a store in which a list of images is an image of its
// own (see [Capabilities.Lists]).
type Lister interface {
	// List makes a list of images, and returns its ID.
	List(ctx context.Context, name string, instances []digest.Digest) (digest.Digest, error)
}

// A Document is one of those that an image has.
type Document string

// The documents of an image.
const (
	Manifest Document = "manifest"
	Config   Document = "config"
)

// A Spoiler is a [TestEngine] of a store in which an image may lack documents (see
// [Capabilities.Documents]).
type Spoiler interface {
	// Lose takes a document away.
	Lose(ctx context.Context, id digest.Digest, document Document) error
	// Garble makes a document one that cannot be understood.
	Garble(ctx context.Context, id digest.Digest, document Document) error
	// Warnings are the warnings since the last call, each a line.
	Warnings() []string
}

// List makes a list of images where the backend has such.
func (o *Opened) List(t testing.TB, name string, instances []digest.Digest) digest.Digest {
	t.Helper()
	id, err := engineOf[Lister](t, o, "makes no lists").List(t.Context(), name, instances)
	if err != nil {
		t.Fatalf("list %s: %v", name, err)
	}
	return id
}

// Spoiler spoils the documents of images where the backend can do without.
func (o *Opened) Spoiler(t testing.TB) Spoiler {
	t.Helper()
	return engineOf[Spoiler](t, o, "spoils no documents")
}

// engineOf is the engine with a further ability.
func engineOf[T any](t testing.TB, o *Opened, lacks string) T {
	t.Helper()
	engine, ok := o.engine.(T)
	if !ok {
		t.Fatalf("the engine %s", lacks)
	}
	return engine
}
