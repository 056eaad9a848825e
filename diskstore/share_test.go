package diskstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// lastCommit is the number of the last commit to the records, by the file's own
// two pages about itself.
func lastCommit(t *testing.T, dir string) (last uint64) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "meta.db"))
	must(t, err)
	pageSize := int(binary.NativeEndian.Uint32(data[16+8:]))
	for page := range 2 {
		last = max(last, binary.NativeEndian.Uint64(data[page*pageSize+16+48:]))
	}
	return last
}

// Deletions, tags and leases that come while another change is under way share
// its commit, each on what those before it did. Events are sent when all is
// durable.
func TestChangesAtOnceShareACommit(t *testing.T) { // D15, E2
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 4 {
		_, err := load(t.Context(), s, fmt.Sprintf("app%d", i), "shared", fmt.Sprintf("own %d", i))
		must(t, err)
	}
	must(t, s.Close())
	before := lastCommit(t, dir)
	synctest.Test(t, func(t *testing.T) {
		s, err := diskstore.Open(t.Context(), dir, nil)
		must(t, err)
		defer func() { must(t, s.Close()) }()
		w := changes{t: t, store: s, before: before}
		w.service = jettison.New(s, &jettison.Options{Events: w.event})
		var wg sync.WaitGroup
		must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
			for _, change := range []func() error{
				w.remove("app0"), w.remove("app1"), w.remove("app0"), w.tag("app2", "new:1"), w.tag("app0", "new:2"),
				w.lease("app3"), w.remove("app3"), w.lease("app1"),
			} {
				wg.Go(func() { w.note(change()) })
				synctest.Wait() // until it waits for its turn
			}
			return w.tagIn(tx, "app2", "first:1")
		}))
		wg.Wait()
		if got := lastCommit(t, dir) - before; got != 1 {
			t.Errorf("got %d commits, want 1", got)
		}
		// Missing are app0 for the second removal and for a tag, and app1 for a
		// lease; the lease on app3 is in the way of its removal.
		if w.done != 4 || w.missing != 3 || w.refused != 1 {
			t.Errorf("got %d changes done, %d of what had gone and %d refused, want 4, 3 and 1", w.done, w.missing, w.refused)
		}
		slices.Sort(w.events)
		if want := []string{"delete", "delete", "untag", "untag"}; !slices.Equal(w.events, want) {
			t.Errorf("got events %v, want %v", w.events, want)
		}
		sound(t, s)
	})
}

// changes are made to one store at once.
type changes struct {
	t       *testing.T
	store   *diskstore.Store
	service *jettison.Service
	before  uint64 // the last commit

	mu                     sync.Mutex
	events                 []string
	done, missing, refused int
}

func (c *changes) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.done++
	case errors.Is(err, jettison.ErrNotFound):
		c.missing++
	case errors.Is(err, jettison.ErrConflict):
		c.refused++
	default:
		c.t.Error(err)
	}
}

func (c *changes) event(_ context.Context, e jettison.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, string(e.Action))
	if lastCommit(c.t, c.store.Dir()) == c.before {
		c.t.Error("an event was sent before the commit")
	}
}

func (c *changes) remove(name string) func() error {
	return func() error {
		_, err := c.service.ImageDelete(c.t.Context(), name, jettison.RemoveOptions{})
		return err
	}
}

func (c *changes) lease(name string) func() error {
	return func() error {
		_, err := c.service.Lease(c.t.Context(), name, jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "test"})
		return err
	}
}

func (c *changes) tag(name, as string) func() error {
	return func() error {
		return c.store.Edit(c.t.Context(), func(tx *kvstore.Tx) error { return c.tagIn(tx, name, as) })
	}
}

func (c *changes) tagIn(tx *kvstore.Tx, name, as string) error {
	id, err := tx.References.Get(c.t.Context(), parse(c.t, name))
	if err != nil {
		return err
	}
	return tx.Tag(c.t.Context(), id, parse(c.t, as), refstore.AddOptions{})
}
