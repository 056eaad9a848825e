package imagestore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
)

// A fixture is an empty store in memory whose transactions fail the test.
type fixture struct {
	testing.TB
	db kv.DB
}

func newFixture(t testing.TB) fixture {
	return fixture{t, memkv.New()}
}

// edit runs fn in a transaction that must succeed.
func (f fixture) edit(fn func(*imagestore.Store) error) {
	f.Helper()
	if err := f.try(fn); err != nil {
		f.Fatal(err)
	}
}

// try runs fn in a transaction and returns its error.
func (f fixture) try(fn func(*imagestore.Store) error) error {
	return f.db.Update(f.Context(), func(tx kv.Tx) error { return fn(imagestore.NewMarking(tx)) })
}

// view runs fn in a transaction that only reads and must succeed.
func (f fixture) view(fn func(*imagestore.Store) error) {
	f.Helper()
	err := f.db.View(f.Context(), func(r kv.Reader) error { return fn(imagestore.NewReader(r)) })
	if err != nil {
		f.Fatal(err)
	}
}

func (f fixture) create(spec imagestore.Spec) (img imagestore.Image) {
	f.Helper()
	f.edit(func(s *imagestore.Store) (err error) {
		img, err = s.Create(f.Context(), spec)
		return err
	})
	return img
}

func (f fixture) delete(id digest.Digest) (removed imagestore.Removed) {
	f.Helper()
	f.edit(func(s *imagestore.Store) (err error) {
		removed, err = s.Delete(f.Context(), id)
		return err
	})
	return removed
}

func (f fixture) get(id digest.Digest) (img imagestore.Image) {
	f.Helper()
	f.view(func(s *imagestore.Store) (err error) {
		img, err = s.Get(f.Context(), id)
		return err
	})
	return img
}

func (f fixture) layer(id digest.Digest) (l imagestore.Layer) {
	f.Helper()
	f.view(func(s *imagestore.Store) (err error) {
		l, err = s.Layer(f.Context(), id)
		return err
	})
	return l
}

func (f fixture) children(id digest.Digest) (ids []digest.Digest) {
	f.Helper()
	f.view(func(s *imagestore.Store) (err error) {
		ids, err = s.Children(f.Context(), id)
		return err
	})
	return ids
}

func (f fixture) garbage() (digests []digest.Digest) {
	f.Helper()
	f.view(func(s *imagestore.Store) error {
		digests = collect(f, s.Garbage(f.Context()))
		return nil
	})
	return digests
}

func (f fixture) contents() (contents []imagestore.Content) {
	f.Helper()
	f.view(func(s *imagestore.Store) error {
		contents = collect(f, s.Contents(f.Context()))
		return nil
	})
	return contents
}

// keys returns all keys of the store, sorted.
func (f fixture) keys() (keys []string) {
	f.Helper()
	err := f.db.View(f.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(f.Context(), nil) {
			if err != nil {
				return err
			}
			keys = append(keys, string(entry.Key))
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return keys
}

// damage flips a bit in the last byte of the value under key.
func (f fixture) damage(key string) {
	f.Helper()
	f.change(key, func(value []byte) []byte {
		value[len(value)-1] ^= 0x10
		return value
	})
}

// change replaces the value under key.
func (f fixture) change(key string, fn func([]byte) []byte) {
	f.Helper()
	err := f.db.Update(f.Context(), func(tx kv.Tx) error {
		value, err := tx.Get(f.Context(), []byte(key))
		if err != nil {
			return err
		}
		return tx.Put(f.Context(), []byte(key), fn(bytes.Clone(value)))
	})
	if err != nil {
		f.Fatal(err)
	}
}

// remove removes the value under key.
func (f fixture) remove(key string) {
	f.Helper()
	err := f.db.Update(f.Context(), func(tx kv.Tx) error { return tx.Delete(f.Context(), []byte(key)) })
	if err != nil {
		f.Fatal(err)
	}
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) (items []T) {
	t.Helper()
	for item, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

func checkDiff(t testing.TB, got, want any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("got + where - is wanted:\n%s", diff)
	}
}

// checkClass checks the class of an error, and that it is of no other.
func checkClass(t testing.TB, err, want error) {
	t.Helper()
	for _, c := range []error{class.InvalidArgument, class.NotFound, class.Conflict, class.Unavailable, class.Internal} {
		if got := errors.Is(err, c); got != (c == want) { //nolint:errorlint // sentinels
			t.Fatalf("got error %v, is %v: %v, want class %v alone", err, c, got, want)
		}
	}
}

// config is an image configuration with these layers; name makes it differ
// from others.
func config(name string, layers ...string) []byte {
	diffIDs := []digest.Digest{}
	for _, l := range layers {
		diffIDs = append(diffIDs, diffID(l))
	}
	b, err := json.Marshal(map[string]any{
		"author": name,
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func diffID(layer string) digest.Digest { return digest.FromString("diff of " + layer) }

// chainID is the chain ID of the topmost of layers, by the specification's
// recursion.
func chainID(layers ...string) digest.Digest {
	top := diffID(layers[len(layers)-1])
	if len(layers) == 1 {
		return top
	}
	return digest.FromString(string(chainID(layers[:len(layers)-1]...)) + " " + string(top))
}

func descriptor(name string, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(name), Size: size}
}

// spec is an image with these layers, each with content of 100 bytes named
// after it, and its configuration of 10 bytes.
func spec(name string, layers ...string) imagestore.Spec {
	s := imagestore.Spec{
		Config:  config(name, layers...),
		Content: []ocispec.Descriptor{descriptor("config of "+name, 10)},
	}
	for _, l := range layers {
		s.Layers = append(s.Layers, descriptor(l, 100))
	}
	return s
}

func content(name string, size int64, holders int) imagestore.Content {
	return imagestore.Content{Digest: digest.FromString(name), Size: size, Holders: holders}
}
