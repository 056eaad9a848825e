package diskstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// operations are those of the fault campaign.
func operations() []operation {
	return []operation{
		{name: "open, new", opening: true, prepare: func(testing.TB, string) {}, steps: 10},
		{
			name: "open, new, and load", opening: true, prepare: func(testing.TB, string) {},
			actions: []action{loading("app", "os")}, steps: 25,
		},
		{
			name: "open, directories gone, and load", opening: true, prepare: bare,
			actions: []action{loading("app", "os")}, steps: 18,
		},
		{name: "open, empty file", opening: true, prepare: func(t testing.TB, dir string) {
			write(t, filepath.Join(dir, "meta.db"), "")
		}, steps: 10},
		{name: "open, after a crash", opening: true, prepare: crashed, steps: 7},
		{name: "load", prepare: with("base", "os"), actions: []action{loading("app", "os", "middle", "top")}, steps: 15},
		{name: "load what is there", prepare: with("app", "os", "top"), actions: []action{loading("app", "os", "top")}, steps: 1},
		{name: "load what is damaged", prepare: damaged, actions: []action{loading("app", "os", "top")}, steps: 5},
		{name: "tag", prepare: with("app", "os"), actions: []action{tagsAs("app", "app:2")}, steps: 1},
		{name: "untag", prepare: prepared(loading("app", "os"), tagsAs("app", "app:2")), actions: []action{deletes("app:2")}, steps: 1},
		{name: "lease", prepare: with("app", "os"), actions: []action{leases("app"), unleases("app")}, steps: 2},
		{
			name:    "delete",
			prepare: prepared(loading("base", "os"), loading("app", "os", "middle", "top")),
			actions: []action{deletes("app")}, steps: 4,
		},
		{name: "delete with ancestors", prepare: family, actions: []action{deletes("child")}, steps: 7},
		{name: "load an index", prepare: with("app", "os"), actions: []action{loadingIndex}, steps: 30},
		{name: "remove a platform", prepare: prepared(loadingIndex), actions: []action{removesPlatform}, steps: 4},
		{name: "delete an index", prepare: prepared(loadingIndex, removesPlatform), actions: []action{deletes("multi")}, steps: 4},
		{name: "prune", prepare: many, actions: []action{prunes}, steps: 25},
		{
			name: "clear marks", prepare: with("app", "os"), before: makesMarks,
			actions: []action{tagsAs("app", "app:2")}, steps: 2,
		},
		{
			name: "repair", prepare: unsound, actions: []action{repairs}, partly: true, kept: keptAside,
			steps: 10,
		},
		{name: "history", prepare: with("other", "os"), actions: history(), steps: 50},
		{name: "open, after a crash, in the background", background: true, opening: true, prepare: crashed, actions: []action{flushes}, steps: 7},
		{
			name: "delete, in the background", background: true,
			prepare: prepared(loading("base", "os"), loading("app", "os", "middle", "top")),
			actions: []action{deletes("app"), flushes}, steps: 6,
		},
		{name: "prune, in the background", background: true, prepare: many, actions: []action{prunes, flushes}, steps: 25},
		{name: "history, in the background", background: true, prepare: with("other", "os"), actions: append(history(), flushes), steps: 40},
	}
}

// history loads and deletes images that share layers.
func history() []action {
	return []action{
		loading("a", "base", "top of a"), loading("b", "base", "top of b"), deletes("a"),
		loading("a", "base", "top of a"), deletes("b"), deletes("a"), loading("b", "base"),
	}
}

// flushes waits until the background has removed what is left.
func flushes(ctx context.Context, s *diskstore.Store) error { return s.Flush(ctx) }

// prepared makes a store in which the actions were done.
func prepared(actions ...action) func(t testing.TB, dir string) {
	return func(t testing.TB, dir string) {
		s, err := diskstore.Open(t.Context(), dir, options())
		must(t, err)
		for _, act := range actions {
			must(t, act(t.Context(), s))
		}
		must(t, s.Close())
	}
}

func with(name string, layers ...string) func(t testing.TB, dir string) {
	return prepared(loading(name, layers...))
}

// bare makes an empty store that has lost its directories.
func bare(t testing.TB, dir string) {
	prepared()(t, dir)
	for _, sub := range []string{"blobs", "ingest"} {
		must(t, os.RemoveAll(filepath.Join(dir, sub)))
	}
}

// crashed makes a store in which files are marked as garbage and others were
// being written.
func crashed(t testing.TB, dir string) {
	s, err := openStepping(t.Context(), dir, options(), func(step, _ string) error {
		if step == "remove" {
			return syscall.EIO
		}
		return nil
	})
	must(t, err)
	for _, act := range []action{loading("app", "os"), loading("gone", "os", "top of gone"), deletes("gone")} {
		must(t, act(t.Context(), s))
	}
	must(t, s.Close())
	write(t, filepath.Join(dir, "ingest", "blob-1"), "half")
	write(t, filepath.Join(dir, "meta.db.new-1"), "half")
}

// damaged makes a store in which a layer was altered.
func damaged(t testing.TB, dir string) {
	with("app", "os", "top")(t, dir)
	write(t, filepath.Join(dir, "blobs", "sha256", describe("top").Digest.Encoded()), "tip")
}

// family makes a store in which two images go with their child, and a third,
// which has a name, does not.
func family(t testing.TB, dir string) {
	link := func(child, parent string) action {
		return edits(func(ctx context.Context, tx *kvstore.Tx) error {
			of, err := named(ctx, tx, child)
			if err != nil {
				return err
			}
			to, err := named(ctx, tx, parent)
			if err != nil {
				return err
			}
			return tx.Images.SetParent(ctx, of, to)
		})
	}
	forget := func(name string) action {
		return edits(func(ctx context.Context, tx *kvstore.Tx) error {
			id, err := named(ctx, tx, name)
			if err != nil {
				return err
			}
			return tx.References.Delete(ctx, ref(name), id)
		})
	}
	prepared(
		loading("named", "os"), loading("grandparent", "os", "a"), loading("parent", "os", "a", "b"), loading("child", "os", "a", "b", "c"),
		link("grandparent", "named"), link("parent", "grandparent"), link("child", "parent"),
		forget("grandparent"), forget("parent"),
	)(t, dir)
}

// many makes a store of images that share layers, one of them in use.
func many(t testing.TB, dir string) {
	actions := make([]action, 0, 13)
	for i := range 12 {
		actions = append(actions, loading(fmt.Sprintf("app:%d", i), "os", fmt.Sprintf("middle %d", i/3), fmt.Sprintf("top %d", i)))
	}
	prepared(append(actions, edits(func(ctx context.Context, tx *kvstore.Tx) error {
		image, err := named(ctx, tx, "app:1")
		if err == nil {
			_, err = tx.Containers.Add(ctx, jettison.Container{ID: "c", Image: image})
		}
		return err
	}))...)(t, dir)
}

// makesMarks leaves as many marks of files that are gone as are cleared at once.
func makesMarks(t testing.TB, s *diskstore.Store) {
	layers := make([]string, diskstore.ClearLimit)
	for i := range layers {
		layers[i] = fmt.Sprint("gone ", i)
	}
	must(t, loading("gone", layers...)(t.Context(), s))
	must(t, deletes("gone")(t.Context(), s))
}

// unsound makes a store with a key of an index and a file that belong to
// nothing.
func unsound(t testing.TB, dir string) {
	with("app", "os")(t, dir)
	db, err := boltkv.Open(t.Context(), filepath.Join(dir, "meta.db"), nil)
	must(t, err)
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte("use/"+describe("none").Digest.String()+"/c"), nil)
	}))
	must(t, db.Close())
	write(t, filepath.Join(dir, "blobs", "sha256", describe("stray").Digest.Encoded()), "stray")
}

func repairs(ctx context.Context, s *diskstore.Store) error {
	_, err := s.Repair(ctx, diskstore.RepairOptions{})
	return err
}

// keptAside makes sure that what a repair took out of the store is beside it.
func keptAside(t testing.TB, dir string, changed bool) {
	records, err := filepath.Glob(filepath.Join(dir, "removed-*", "records.jsonl"))
	must(t, err)
	if changed && len(records) == 0 {
		t.Error("what was removed from the records is nowhere")
	}
	stray := filepath.Join("blobs", "sha256", describe("stray").Digest.Encoded())
	there, err := filepath.Glob(filepath.Join(dir, stray))
	must(t, err)
	moved, err := filepath.Glob(filepath.Join(dir, "removed-*", stray))
	must(t, err)
	if len(there)+len(moved) == 0 {
		t.Error("a file that belongs to nothing was lost")
	}
}

func loading(name string, layers ...string) action {
	return func(ctx context.Context, s *diskstore.Store) error {
		_, err := load(ctx, s, name, layers...)
		return err
	}
}

// deletes deletes an image, with its ancestors.
func deletes(name string) action {
	return func(ctx context.Context, s *diskstore.Store) error {
		_, err := jettison.New(s, nil).ImageDelete(ctx, name, jettison.RemoveOptions{PruneChildren: true})
		return err
	}
}

func prunes(ctx context.Context, s *diskstore.Store) error {
	_, err := jettison.New(s, nil).ImagesPrune(ctx, jettison.PruneOptions{All: true})
	return err
}

func edits(fn func(ctx context.Context, tx *kvstore.Tx) error) action {
	return func(ctx context.Context, s *diskstore.Store) error {
		return s.Edit(ctx, func(tx *kvstore.Tx) error { return fn(ctx, tx) })
	}
}

func tagsAs(name, tag string) action {
	return edits(func(ctx context.Context, tx *kvstore.Tx) error {
		id, err := named(ctx, tx, name)
		if err != nil {
			return err
		}
		return tx.Tag(ctx, id, ref(tag), refstore.AddOptions{})
	})
}

func leases(name string) action {
	return edits(func(ctx context.Context, tx *kvstore.Tx) error {
		id, err := named(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := tx.Leases.Remove(ctx, id, "l"); err != nil { // it may be there after an error that came late
			return err
		}
		return tx.Leases.Add(ctx, id, conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "me"})
	})
}

func unleases(name string) action {
	return edits(func(ctx context.Context, tx *kvstore.Tx) error {
		id, err := named(ctx, tx, name)
		if err != nil {
			return err
		}
		return tx.Leases.Remove(ctx, id, "l")
	})
}

// ref is a name that is known to be well formed.
func ref(name string) reference.Named {
	named, _ := reference.ParseNormalizedNamed(name)
	return reference.TagNameOnly(named)
}

// named returns the image that has a name.
func named(ctx context.Context, tx *kvstore.Tx, name string) (digest.Digest, error) {
	return tx.References.Get(ctx, ref(name))
}
