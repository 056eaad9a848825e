package backends

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A Hoarder is a [TestEngine] of a store that collects garbage (see
// [Capabilities.Collects]).
type Hoarder interface {
	// Hold makes something that is no image hold the layer with this chain ID, or
	// this piece of content. NotFound when it is not there.
	Hold(ctx context.Context, dgst digest.Digest) error
	// There reports whether it is there, garbage or not.
	There(ctx context.Context, dgst digest.Digest) (bool, error)
}

// Hold keeps a layer or content from being collected.
func (o *Opened) Hold(t testing.TB, dgst digest.Digest) {
	t.Helper()
	if err := o.hoarder(t).Hold(t.Context(), dgst); err != nil {
		t.Fatalf("hold %s: %v", dgst, err)
	}
}

// There reports whether a layer or content is there.
func (o *Opened) There(t testing.TB, dgst digest.Digest) bool {
	t.Helper()
	there, err := o.hoarder(t).There(t.Context(), dgst)
	if err != nil {
		t.Fatalf("look for %s: %v", dgst, err)
	}
	return there
}

func (o *Opened) hoarder(t testing.TB) Hoarder {
	t.Helper()
	return engineOf[Hoarder](t, o, "collects no garbage")
}
