package jettison_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// A countdown fails the last of so many writes, and the one after it, with which a
// container is tried once more.
type countdown struct{ left int }

func (c *countdown) write() error {
	if c.left--; c.left == 0 || c.left == -1 {
		return errDisk
	}
	return nil
}

// countedStore is a store whose images go with their references, leave garbage and
// are used by containers that can be removed, and of which one write fails.
type countedStore struct {
	*backends.MapImages
	refs   *backends.MapReferences
	users  *backends.MapContainers
	writes *countdown
}

func (s *countedStore) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	for i, ref := range refs {
		if err := s.writes.write(); err != nil {
			return i, imagestore.Removed{}, err
		}
		if err := s.refs.Delete(ctx, ref, id); err != nil {
			return i, imagestore.Removed{}, err
		}
	}
	if err := s.writes.write(); err != nil {
		return len(refs), imagestore.Removed{}, err
	}
	removed, err := s.Delete(ctx, id)
	return len(refs), removed, err
}

// Collect finds that all has gone.
func (s *countedStore) Collect(context.Context) ([]digest.Digest, error) {
	return nil, s.writes.write()
}

// there are the removals that have not been done, as records tell of them.
func (s *countedStore) there(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	for img, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found["Deleted: "+img.ID.String()] = true
		users, err := s.users.Containers(t.Context(), img.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range users {
			found["Removed: "+c.ID] = true
		}
	}
	for a, err := range s.refs.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found["Untagged: "+reference.FamiliarString(a.Ref)] = true
	}
	return found
}

// countedUsers are the containers of a countedStore.
type countedUsers struct {
	*backends.MapContainers
	writes *countdown
}

func (s countedUsers) RemoveContainer(ctx context.Context, c jettison.Container) error {
	if err := s.writes.write(); err != nil {
		return err
	}
	return s.MapContainers.RemoveContainer(ctx, c)
}

// newCounted is such a store with two images that share a layer, each with two
// references and two containers; and their IDs.
func newCounted(t *testing.T, writes int) (*countedStore, []string) {
	t.Helper()
	s := &countedStore{backends.NewMapImages(), backends.NewMapReferences(), backends.NewMapContainers(), &countdown{writes}}
	var ids []string
	for _, name := range []string{"app", "web"} {
		img := storetest.Spec{Name: name, Layers: []string{"os", name}}.Image()
		if err := s.Create(t.Context(), img); err != nil {
			t.Fatal(err)
		}
		for _, number := range []string{"1", "2"} {
			ref, err := reference.ParseNormalizedNamed(name + ":" + number)
			if err != nil {
				t.Fatal(err)
			}
			s.refs.Set(ref, img.ID())
			s.users.Set(jettison.Container{ID: name + number, Image: img.ID(), Running: number == "1"})
		}
		ids = append(ids, img.ID().String())
	}
	return s, ids
}

// D12, D14, D17: wherever a deletion over stores without a transaction fails, what
// was done is reported, and nothing else.
func TestEachWriteFails(t *testing.T) {
	const writes = 2*(2+2+1) + 1 // of two images, and a collection
	for n := 1; n <= writes+1; n++ {
		s, ids := newCounted(t, n)
		before := s.there(t)
		users := countedUsers{s.users, s.writes}
		service := jettison.New(jettison.Separate(jettison.Stores{
			Images:     jettison.Images{ImageStore: s, Named: s, Collector: s},
			References: jettison.References{ReferenceStore: s.refs},
			Containers: jettison.Containers{ContainerLister: users, Remover: users},
		}), nil)
		reports, err := service.ImagesDelete(t.Context(), ids, jettison.RemoveOptions{Force: true, RemoveContainers: true})
		if fails := n <= writes; errors.Is(err, errDisk) != fails {
			t.Errorf("write %d fails: got error %v", n, err)
		}
		after := s.there(t)
		gone := slices.DeleteFunc(slices.Sorted(maps.Keys(before)), func(what string) bool { return after[what] })
		var reported []string
		for _, r := range reports {
			for _, c := range r.Containers {
				reported = append(reported, "Removed: "+c.ID)
			}
			reported = append(reported, slices.DeleteFunc(recordLines(r.Records), func(record string) bool { return !before[record] })...)
		}
		slices.Sort(reported)
		if diff := cmp.Diff(gone, reported, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("write %d fails: what went and what was reported (-went +reported):\n%s", n, diff)
		}
	}
}
