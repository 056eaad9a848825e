package compare_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	imagetypes "github.com/docker/docker/api/types/image"
	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// sizes are those that a benchmark goes through: with -short, those up to a
// thousand.
func sizes(all ...int) []int {
	if !testing.Short() {
		return all
	}
	return slices.DeleteFunc(all, func(n int) bool { return n > 1000 })
}

// A deletion is what one call deletes, on either side.
type deletion struct {
	ref   string
	force bool
}

func (d deletion) jettison(ctx context.Context, s *jettison.Service) error {
	_, err := s.ImageDelete(ctx, d.ref, jettison.RemoveOptions{Force: d.force})
	return err
}

func (d deletion) docker(ctx context.Context, docker *compare.Docker) error {
	_, err := docker.Service.ImageDelete(ctx, d.ref, imagetypes.RemoveOptions{Force: d.force})
	return err
}

// byTag are deletions of the first n images of a scene by their only tags.
func byTag(n int) []deletion {
	deletions := make([]deletion, n)
	for i := range deletions {
		deletions[i].ref = fmt.Sprintf("app%d:1", i)
	}
	return deletions
}

// A change is what a deletion writes, and what takes that back.
type change struct{ do, undo []write }

func apply(writes []write) func(*bolt.Bucket) error {
	return func(bucket *bolt.Bucket) error {
		for _, w := range writes {
			if err := w.apply(bucket); err != nil {
				return err
			}
		}
		return nil
	}
}

// A steady store is one of this project's, and beside it a file of bbolt alone
// with the same entries. Each deletion is taken back before the next one, so
// that a store of any size has to be made only once.
type steady struct {
	service   *jettison.Service
	db        kv.DB
	bare      *bolt.DB
	deletions []deletion
	changes   []change // of each deletion alone, in order
}

func newSteady(b *testing.B, scene compare.Scene, deletions []deletion) *steady {
	b.Helper()
	file := newFile(b, scene)
	s := &steady{deletions: deletions}
	var err error
	if s.bare, err = bolt.Open(file.copy(b), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true}); err != nil {
		b.Fatal(err)
	}
	if s.db, err = boltkv.Open(b.Context(), file.copy(b), nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.WithMessage(s.bare.Close(), "bbolt"); err != nil {
			b.Error(err)
		}
		if err := s.db.Close(); err != nil {
			b.Error(err)
		}
	})
	s.service = service(b, s.db)
	s.record(b)
	return s
}

func service(b *testing.B, db kv.DB) *jettison.Service {
	b.Helper()
	store, err := kvstore.New(b.Context(), db, nil)
	if err != nil {
		b.Fatal(err)
	}
	return jettison.New(store, nil)
}

// record makes each deletion once and takes it back. A deletion is one
// transaction, whatever it deletes.
func (s *steady) record(b *testing.B) {
	b.Helper()
	for _, d := range s.deletions {
		r := &recorder{DB: s.db}
		counted := &counter{DB: r}
		if err := d.jettison(b.Context(), service(b, counted)); err != nil {
			b.Fatal(err)
		}
		if counted.updates != 1 {
			b.Fatalf("%s took %d commits, want 1", d.ref, counted.updates)
		}
		c := change{do: r.final()}
		for _, w := range c.do {
			c.undo = append(c.undo, write{w.key, s.stored(b, w.key)})
		}
		s.changes = append(s.changes, c)
		s.takeBack(b, c)
	}
}

// stored is the value of a key before any deletion, or nil.
func (s *steady) stored(b *testing.B, key []byte) []byte {
	b.Helper()
	var value []byte
	err := s.bare.View(func(tx *bolt.Tx) error {
		if stored := tx.Bucket([]byte("jettison")).Get(key); stored != nil {
			value = append([]byte{}, stored...)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// takeBack undoes changes in this project's store, all at once.
func (s *steady) takeBack(b *testing.B, changes ...change) {
	b.Helper()
	ctx := b.Context()
	err := s.db.Update(ctx, func(tx kv.Tx) error {
		for _, c := range changes {
			for _, w := range c.undo {
				err := tx.Delete(ctx, w.key)
				if w.value != nil {
					err = tx.Put(ctx, w.key, w.value)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// bareUpdate runs fn in a transaction of bbolt alone.
func (s *steady) bareUpdate(fn func(*bolt.Bucket) error) error {
	return s.bare.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte("jettison"))) })
}

// takeBareBack undoes changes in the file of bbolt alone, all at once.
func (s *steady) takeBareBack(b *testing.B, changes ...change) {
	b.Helper()
	var undo []write
	for _, c := range changes {
		undo = append(undo, c.undo...)
	}
	if err := s.bareUpdate(apply(undo)); err != nil {
		b.Fatal(err)
	}
}

// race makes the deletions in turn, each by this project's engine, whose time
// is the one that b reports, and by bbolt alone.
func (s *steady) race(b *testing.B) (ours, bare []time.Duration) {
	b.Helper()
	for b.Loop() {
		b.StopTimer()
		at := len(ours) % len(s.changes)
		d, c := s.deletions[at], s.changes[at]
		b.StartTimer()
		ours = append(ours, timed(b, func() error { return d.jettison(b.Context(), s.service) }))
		b.StopTimer()
		s.takeBack(b, c)
		bare = append(bare, timed(b, func() error { return s.bareUpdate(apply(c.do)) }))
		s.takeBareBack(b, c)
		b.StartTimer()
	}
	b.StopTimer()
	return ours, bare
}

func timed(b *testing.B, run func() error) time.Duration {
	b.Helper()
	start := time.Now()
	err := run()
	taken := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	return taken
}

// A counter is a database that counts its transactions.
type counter struct {
	kv.DB

	updates int
}

func (c *counter) Update(ctx context.Context, fn func(kv.Tx) error) error {
	c.updates++
	return c.DB.Update(ctx, fn)
}
