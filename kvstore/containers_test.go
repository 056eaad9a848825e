package kvstore_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// add records a container.
func add(t testing.TB, s *kvstore.Store, c jettison.Container) jettison.Container {
	t.Helper()
	edit(t, s, func(tx *kvstore.Tx) (err error) {
		c, err = tx.Containers.Add(t.Context(), c)
		return err
	})
	return c
}

// users returns the IDs of the containers that use the image.
func users(t testing.TB, s *kvstore.Store, image digest.Digest) []string {
	t.Helper()
	var ids []string
	must(t, s.View(t.Context(), func(stores jettison.Stores) error {
		containers, err := stores.Containers.Containers(t.Context(), image)
		for _, c := range containers {
			ids = append(ids, c.ID)
		}
		return err
	}))
	return ids
}

func TestContainersOfAnImage(t *testing.T) { // D13
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app, data := create(t, s, "app"), create(t, s, "data")
		add(t, s, jettison.Container{ID: "c2", Image: app, Mounts: []digest.Digest{data, app, data}})
		add(t, s, jettison.Container{ID: "c1", Image: app, Running: true})
		add(t, s, jettison.Container{ID: "c3", Image: data})
		if diff := cmp.Diff(users(t, s, app), []string{"c1", "c2"}); diff != "" {
			t.Errorf("users of app (-got +want):\n%s", diff)
		}
		if diff := cmp.Diff(users(t, s, data), []string{"c2", "c3"}); diff != "" {
			t.Errorf("users of data (-got +want):\n%s", diff)
		}
		if got := users(t, s, digest.FromString("none")); got != nil {
			t.Errorf("got users %v of no image, want none", got)
		}
	})
}

func TestContainerComesBackAsItWas(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, &kvstore.Options{NewID: func() string { return "made" }})
		app, data := create(t, s, "app"), create(t, s, "data")
		want := add(t, s, jettison.Container{Name: "web", Image: app, Mounts: []digest.Digest{data}, Running: true})
		if want.ID != "made" {
			t.Errorf("got ID %q, want made", want.ID)
		}
		other := add(t, s, jettison.Container{ID: "bare"})
		must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
			var all []jettison.Container
			for c, err := range tx.Containers.All(t.Context()) {
				must(t, err)
				all = append(all, c)
			}
			if diff := cmp.Diff(all, []jettison.Container{other, want}); diff != "" {
				t.Errorf("containers (-got +want):\n%s", diff)
			}
			return nil
		}))
	})
}

func TestMadeIDsAreFullAndDiffer(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		a, b := add(t, s, jettison.Container{}), add(t, s, jettison.Container{})
		if len(a.ID) != 64 || a.ID == b.ID {
			t.Errorf("got IDs %q and %q, want two of 64 digits", a.ID, b.ID)
		}
	})
}

func TestContainerNames(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		for _, c := range []jettison.Container{{ID: "abc1", Name: "web"}, {ID: "abc2", Name: "db"}, {ID: "abc"}} {
			add(t, s, c)
		}
		must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
			for name, want := range map[string]string{"web": "abc1", "abc1": "abc1", "abc": "abc", "abc2": "abc2"} {
				got, err := tx.Containers.Get(t.Context(), name)
				if err != nil || got.ID != want {
					t.Errorf("%s: got %q (error %v), want %q", name, got.ID, err, want)
				}
			}
			for _, name := range []string{"we", "abc3", "x/y", "container/abc"} {
				_, err := tx.Containers.Get(t.Context(), name)
				wants(t, err, jettison.ErrNotFound, "No such container: "+name)
			}
			_, err := tx.Containers.Get(t.Context(), "ab")
			wants(t, err, jettison.ErrInvalidArgument, "abc, abc1, abc2")
			_, err = tx.Containers.Get(t.Context(), " ")
			wants(t, err, jettison.ErrInvalidArgument, "must be named")
			return nil
		}))
	})
}

func TestAddRefuses(t *testing.T) {
	none := digest.FromString("none")
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		add(t, s, jettison.Container{ID: "c1", Name: "web"})
		for _, test := range []struct {
			container jettison.Container
			class     error
			text      string
		}{
			{jettison.Container{Image: none}, jettison.ErrNotFound, none.String()},
			{jettison.Container{Mounts: []digest.Digest{none}}, jettison.ErrNotFound, none.String()},
			{jettison.Container{ID: "c1"}, jettison.ErrConflict, `"c1"`},
			{jettison.Container{ID: "c2", Name: "web"}, jettison.ErrConflict, `"web"`},
			{jettison.Container{ID: "web"}, jettison.ErrConflict, `"web"`},
			{jettison.Container{ID: "c2", Name: "c1"}, jettison.ErrConflict, `"c1"`},
			{jettison.Container{ID: "a/b"}, jettison.ErrInvalidArgument, `"a/b"`},
			{jettison.Container{Name: ".."}, jettison.ErrInvalidArgument, `".."`},
		} {
			err := s.Edit(t.Context(), func(tx *kvstore.Tx) error {
				_, err := tx.Containers.Add(t.Context(), test.container)
				return err
			})
			wants(t, err, test.class, test.text)
		}
	})
}

func TestStartStopRemove(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app := create(t, s, "app")
		add(t, s, jettison.Container{ID: "c1", Name: "web", Image: app})
		runs := func(want bool) {
			t.Helper()
			must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
				c, err := tx.Containers.Get(t.Context(), "web")
				if c.Running != want {
					t.Errorf("got running %t, want %t", c.Running, want)
				}
				return err
			}))
		}
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Containers.Start(t.Context(), "web"))
			return tx.Containers.Start(t.Context(), "c")
		})
		runs(true)
		edit(t, s, func(tx *kvstore.Tx) error {
			err := tx.Containers.Remove(t.Context(), "web", kvstore.RemoveOptions{})
			wants(t, err, jettison.ErrConflict, "cannot remove container web: it is running")
			must(t, tx.Containers.Stop(t.Context(), "web"))
			return tx.Containers.Stop(t.Context(), "web")
		})
		runs(false)
		edit(t, s, func(tx *kvstore.Tx) error {
			must(t, tx.Containers.Start(t.Context(), "web"))
			return tx.Containers.Remove(t.Context(), "web", kvstore.RemoveOptions{Force: true})
		})
		if got := users(t, s, app); got != nil {
			t.Errorf("got users %v, want none", got)
		}
		add(t, s, jettison.Container{ID: "c1", Name: "web", Image: app}) // both are free again
	})
}

func TestDamagedContainer(t *testing.T) { // E3
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app := create(t, s, "app")
		add(t, s, jettison.Container{ID: "c1", Name: "web", Image: app})
		add(t, s, jettison.Container{ID: "c2", Image: app})
		put(t, db, "container/c1", "nonsense")
		must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
			_, err := tx.Containers.Containers(t.Context(), app)
			wants(t, err, jettison.ErrInternal, `"container/c1"`)
			var got []string
			for c, err := range tx.Containers.All(t.Context()) {
				if err != nil {
					wants(t, err, jettison.ErrInternal, `"container/c1"`)
				}
				got = append(got, c.ID)
			}
			if diff := cmp.Diff(got, []string{"", "c2"}); diff != "" {
				t.Errorf("all goes on after damage (-got +want):\n%s", diff)
			}
			return nil
		}))
		edit(t, s, func(tx *kvstore.Tx) error {
			err := tx.Containers.Remove(t.Context(), "web", kvstore.RemoveOptions{})
			wants(t, err, jettison.ErrInternal, `"container/c1"`)
			return tx.Containers.Remove(t.Context(), "web", kvstore.RemoveOptions{Force: true})
		})
		if diff := cmp.Diff(users(t, s, app), []string{"c2"}); diff != "" {
			t.Errorf("users (-got +want):\n%s", diff)
		}
		add(t, s, jettison.Container{ID: "c1", Name: "web"})
	})
}
