package kvstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

func leases(t testing.TB, s *kvstore.Store, image digest.Digest) (got []conflict.Lease) {
	t.Helper()
	must(t, s.View(t.Context(), func(stores jettison.Stores) (err error) {
		got, err = stores.Leases.Leases(t.Context(), image)
		return err
	}))
	return got
}

// keys returns the keys that begin with prefix.
func keys(t testing.TB, db kv.DB, prefix string) (keys []string) {
	t.Helper()
	must(t, db.View(t.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(t.Context(), []byte(prefix)) {
			if err != nil {
				return err
			}
			keys = append(keys, string(entry.Key))
		}
		return nil
	}))
	return keys
}

func TestLeases(t *testing.T) { // L1, L2
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app := create(t, s, "app")
		pull := conflict.Lease{ID: "l1", Kind: conflict.LeasePull, Owner: "someone"}
		build := conflict.Lease{ID: "l2", Kind: conflict.LeaseBuild, Owner: "build 7", Expires: time.Unix(1, 0).UTC()}
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Leases.Add(t.Context(), app, build))
			return tx.Leases.Add(t.Context(), app, pull)
		})
		if diff := cmp.Diff(leases(t, s, app), []conflict.Lease{pull, build}); diff != "" {
			t.Errorf("leases (-got +want):\n%s", diff)
		}
		prefix := "lease/" + app.String() + "/"
		if diff := cmp.Diff(keys(t, db, "lease/"), []string{prefix + "l1", prefix + "l2"}); diff != "" {
			t.Errorf("keys (-got +want):\n%s", diff)
		}
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Leases.Remove(t.Context(), app, "l1"))
			return tx.Leases.Remove(t.Context(), app, "l1")
		})
		if got := leases(t, s, app); len(got) != 1 || got[0].ID != "l2" {
			t.Errorf("got leases %v, want l2 alone", got)
		}
	})
}

func TestLeaseRefusals(t *testing.T) { // L1
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app, none := create(t, s, "app"), digest.FromString("none")
		edit(t, s, func(tx *kvstore.Tx) error {
			wants(t, tx.Leases.Add(t.Context(), none, conflict.Lease{ID: "l"}), jettison.ErrNotFound, none.String())
			wants(t, tx.Leases.Add(t.Context(), app, conflict.Lease{}), jettison.ErrInvalidArgument, `""`)
			wants(t, tx.Leases.Add(t.Context(), app, conflict.Lease{ID: "a/b"}), jettison.ErrInvalidArgument, `"a/b"`)
			must(t, tx.Leases.Add(t.Context(), app, conflict.Lease{ID: "l"}))
			wants(t, tx.Leases.Add(t.Context(), app, conflict.Lease{ID: "l"}), jettison.ErrConflict, "l is already in use")
			return nil
		})
	})
}

func TestDeletionTakesLeasesAlong(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app, other := create(t, s, "app"), create(t, s, "other")
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Leases.Add(t.Context(), other, conflict.Lease{ID: "l"}))
			return tx.Leases.Add(t.Context(), app, conflict.Lease{ID: "l", Expires: time.Unix(1, 0)})
		})
		must(t, s.Update(t.Context(), func(stores jettison.Stores) error {
			_, err := stores.Images.Delete(t.Context(), app)
			return err
		}))
		if diff := cmp.Diff(keys(t, db, "lease/"), []string{"lease/" + other.String() + "/l"}); diff != "" {
			t.Errorf("keys (-got +want):\n%s", diff)
		}
	})
}

func TestDamagedLeaseHolds(t *testing.T) { // E3
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app := create(t, s, "app")
		key := "lease/" + app.String() + "/l"
		put(t, db, key, "nonsense")
		edit(t, s, func(tx *kvstore.Tx) error {
			_, err := tx.Leases.Leases(t.Context(), app)
			wants(t, err, jettison.ErrInternal, key)
			return tx.Leases.Remove(t.Context(), app, "l")
		})
		if got := leases(t, s, app); got != nil {
			t.Errorf("got leases %v, want none", got)
		}
	})
}
