package compare_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/diskstore"
)

// BenchmarkOpen opens a store of many images that was closed in good order.
// Bbolt alone opens the same file; Docker reads its images and references three
// times, as a daemon does when it starts. The file system has them all in
// memory.
func BenchmarkOpen(b *testing.B) {
	for _, n := range sizes(100, 1000, 10_000, 100_000) {
		b.Run(fmt.Sprintf("images=%d", n), func(b *testing.B) { benchOpen(b, n) })
	}
}

func benchOpen(b *testing.B, n int) {
	scene := taggedImages(n, 1)
	file := newFile(b, scene).copy(b)
	var r race
	openOurs(b, &r, file)() // makes the directories
	r.ours = nil
	for b.Loop() {
		closeOurs := openOurs(b, &r, file)
		b.StopTimer()
		closeOurs()
		openBare(b, &r, file)
		b.StartTimer()
	}
	b.StopTimer()
	docker := dockerOn(b, scene)
	for range 3 {
		r.docker = append(r.docker, timed(b, docker.Restore))
	}
	r.report(b, 1)
}

// openOurs opens the store that the file of records belongs to, and returns
// what closes it.
func openOurs(b *testing.B, r *race, file string) func() {
	b.Helper()
	var store *diskstore.Store
	r.ours = append(r.ours, timed(b, func() (err error) {
		store, err = diskstore.Open(b.Context(), filepath.Dir(file), nil)
		return err
	}))
	return func() {
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func openBare(b *testing.B, r *race, file string) {
	b.Helper()
	var db *bolt.DB
	r.bbolt = append(r.bbolt, timed(b, func() (err error) {
		db, err = bolt.Open(file, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
		return err
	}))
	if err := errors.WithMessage(db.Close(), file); err != nil {
		b.Fatal(err)
	}
}
