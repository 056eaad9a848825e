package prefix_test

import (
	"context"
	"testing"

	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

func TestEmpty(t *testing.T) {
	ctx, db := t.Context(), memkv.New()
	err := db.Update(ctx, func(tx kv.Tx) error {
		if err := tx.Put(ctx, []byte("b/1"), nil); err != nil {
			return err
		}
		for _, c := range []struct {
			prefix string
			want   bool
		}{{"a/", true}, {"b/", false}, {"c/", true}} {
			p := prefix.New(tx, c.prefix)
			for range 2 {
				if got, err := p.Empty(ctx); got != c.want || err != nil {
					t.Errorf("Empty of %q: got %v, %v; want %v", c.prefix, got, err, c.want)
				}
			}
			p.Put()
			if got, err := p.Empty(ctx); got || err != nil {
				t.Errorf("Empty of %q after a Put: got %v, %v; want false", c.prefix, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEmptyObeysItsContext(t *testing.T) {
	db := memkv.New()
	err := db.View(t.Context(), func(r kv.Reader) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := prefix.New(r, "a/")
		if _, err := p.Empty(ctx); err == nil {
			t.Error("got no error of an ended context")
		}
		if _, err := p.Empty(t.Context()); err != nil {
			t.Errorf("got %v of a live context", err)
		}
		if _, err := p.Empty(ctx); err == nil {
			t.Error("got no error of an ended context once it is known")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
