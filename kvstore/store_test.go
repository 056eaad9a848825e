package kvstore_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{now: time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC)} }

// onEach runs a test on every engine.
func onEach(t *testing.T, f func(t *testing.T, db kv.DB)) {
	t.Run("memkv", func(t *testing.T) { f(t, memkv.New()) })
	t.Run("boltkv", func(t *testing.T) {
		db, err := boltkv.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), &boltkv.Options{NoSync: true})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		f(t, db)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, db kv.DB, opts *kvstore.Options) *kvstore.Store {
	t.Helper()
	s, err := kvstore.New(t.Context(), db, opts)
	must(t, err)
	return s
}

func edit(t testing.TB, s *kvstore.Store, fn func(tx *kvstore.Tx) error) {
	t.Helper()
	must(t, s.Edit(t.Context(), fn))
}

// spec is an image that differs from one with another name.
func spec(t testing.TB, name string) imagestore.Spec {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"author": name, "architecture": "amd64", "os": "linux",
		"rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{digest.FromString("layer of " + name)}},
	})
	must(t, err)
	return imagestore.Spec{Config: config}
}

// create makes an image and returns its ID.
func create(t testing.TB, s *kvstore.Store, name string) digest.Digest {
	t.Helper()
	var id digest.Digest
	edit(t, s, func(tx *kvstore.Tx) error {
		image, err := tx.Images.Create(t.Context(), spec(t, name))
		id = image.ID
		return err
	})
	return id
}

func parse(t testing.TB, name string) reference.Named {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(name)
	must(t, err)
	return ref
}

// wants fails the test unless err is of the class and says text.
func wants(t testing.TB, err, class error, text string) {
	t.Helper()
	if !errors.Is(err, class) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want one of class %v that says %q", err, class, text)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) { // D14
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		id := create(t, s, "app")
		failure := errors.New("no")
		err := s.Update(t.Context(), func(stores jettison.Stores) error {
			if _, err := stores.Images.Delete(t.Context(), id); err != nil {
				t.Error(err)
			}
			return failure
		})
		if err != failure { //nolint:errorlint // it comes back as it is
			t.Errorf("got error %v, want the function's own", err)
		}
		must(t, s.View(t.Context(), func(stores jettison.Stores) error {
			_, err := stores.Images.Get(t.Context(), id)
			return err
		}))
	})
}

func TestViewCannotChange(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		id := create(t, s, "app")
		must(t, s.View(t.Context(), func(stores jettison.Stores) error {
			_, err := stores.Images.Delete(t.Context(), id)
			wants(t, err, jettison.ErrInternal, "read-only transaction")
			err = stores.Leases.Add(t.Context(), id, conflict.Lease{ID: "l", Kind: conflict.LeasePull})
			wants(t, err, jettison.ErrInternal, "read-only transaction")
			wants(t, stores.Leases.Remove(t.Context(), id, "l"), jettison.ErrInternal, "read-only transaction")
			return nil
		}))
		must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
			_, err := tx.Containers.Add(t.Context(), jettison.Container{Image: id})
			wants(t, err, jettison.ErrInternal, "read-only transaction")
			return nil
		}))
	})
}

func TestReadOnlyStoreRefusesChanges(t *testing.T) {
	db := memkv.New()
	s := open(t, db, &kvstore.Options{ReadOnly: true})
	err := s.Update(t.Context(), func(jettison.Stores) error { return nil })
	wants(t, err, jettison.ErrInvalidArgument, "reading only")
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(t.Context(), nil) {
			t.Errorf("got key %q (error %v), want an untouched map", entry.Key, err)
		}
		return nil
	}))
}

func TestTagNeedsAnImage(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		id := create(t, s, "app")
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Tag(t.Context(), id, parse(t, "app:1"), refstore.AddOptions{}))
			err := tx.Tag(t.Context(), digest.FromString("none"), parse(t, "app:2"), refstore.AddOptions{})
			wants(t, err, jettison.ErrNotFound, digest.FromString("none").String())
			got, err := tx.References.Get(t.Context(), parse(t, "app:1"))
			must(t, err)
			if got != id {
				t.Errorf("got %s, want %s", got, id)
			}
			return nil
		})
	})
}

func TestServiceDeletes(t *testing.T) { // D2, D5, D10
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		id := create(t, s, "app")
		edit(t, s, func(tx *kvstore.Tx) error {
			return tx.Tag(t.Context(), id, parse(t, "app:1"), refstore.AddOptions{})
		})
		got, err := jettison.New(s, nil).ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
		must(t, err)
		if len(got) != 3 || got[0].Untagged != "app:1" || got[1].Deleted != id.String() {
			t.Errorf("got %v, want app:1 untagged, then %s and its layer deleted", got, id)
		}
	})
}
