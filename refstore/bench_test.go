package refstore_test

import (
	"fmt"
	"testing"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/refstore"
)

// fill adds n tags, each in a repository of its own, which is the worst case
// for reading them back.
func fill(f fixture, n int) (names []string) {
	f.Helper()
	err := f.edit(func(s *refstore.Store) error {
		for i := range n {
			name := fmt.Sprintf("example.com/team/app-%05d:1.0", i)
			names = append(names, name)
			if err := addAny(f, s, name, idA); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return names
}

// BenchmarkAll reads 1,000 references back, next to parsing their strings.
func BenchmarkAll(b *testing.B) {
	f := newFixture(b)
	names := fill(f, 1000)
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.view(func(s *refstore.Store) error {
				for _, err := range s.All(b.Context()) {
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	b.Run("parsing alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, name := range names {
				if _, err := reference.ParseNormalizedNamed(name); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkDelete adds and deletes one reference.
func BenchmarkDelete(b *testing.B) {
	f := newFixture(b)
	fill(f, 1000)
	ref := parse(b, "example.com/team/app:1.0")
	b.ReportAllocs()
	for b.Loop() {
		err := f.edit(func(s *refstore.Store) error {
			if err := s.AddTag(b.Context(), ref, idA, refstore.AddOptions{}); err != nil {
				return err
			}
			return s.Delete(b.Context(), ref, idA)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
