package kvstore_test

import (
	"testing"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
)

func put(t testing.TB, db kv.DB, key, value string) {
	t.Helper()
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte(key), []byte(value))
	}))
}

func get(t testing.TB, db kv.DB, key string) (value string) {
	t.Helper()
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		v, err := r.Get(t.Context(), []byte(key))
		value = string(v)
		return err
	}))
	return value
}

func TestNewWritesTheFormat(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		for range 2 { // a store opens again
			open(t, db, nil)
			if got := get(t, db, "meta/format"); got != "1" {
				t.Errorf("got format %q, want 1", got)
			}
		}
	})
}

func TestNewWithoutADatabase(t *testing.T) {
	if _, err := kvstore.New(t.Context(), nil, nil); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("New(nil) = %v, want InvalidArgument", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	db := memkv.New()
	put(t, db, "meta/format", "7")
	_, err := kvstore.New(t.Context(), db, nil)
	wants(t, err, jettison.ErrInvalidArgument, "the store has format 7, but this program knows only those up to 1")
	var format *kvstore.FormatError
	if !errors.As(err, &format) || format.Found != 7 || format.Supported != kvstore.Format {
		t.Errorf("got %#v, want a FormatError of 7 and 1", err)
	}
}

func TestDamagedFormatNamesTheKey(t *testing.T) { // E3
	for _, value := range []string{"", "x", "0", "-1", "1.5"} {
		db := memkv.New()
		put(t, db, "meta/format", value)
		_, err := kvstore.New(t.Context(), db, nil)
		wants(t, err, jettison.ErrInternal, `key "meta/format": damaged`)
	}
}

func TestForeignDatabaseIsRefused(t *testing.T) {
	for _, opts := range []*kvstore.Options{nil, {ReadOnly: true}} {
		db := memkv.New()
		put(t, db, "user/1", "someone")
		_, err := kvstore.New(t.Context(), db, opts)
		wants(t, err, jettison.ErrInvalidArgument, `"user/1"`)
	}
}
