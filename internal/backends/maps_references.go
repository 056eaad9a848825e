package backends

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// MapReferences is a ReferenceStore in a map. It is safe for concurrent use.
type MapReferences struct {
	mu   sync.RWMutex
	refs map[string]refstore.Association // by full reference string
}

// NewMapReferences returns an empty store.
func NewMapReferences() *MapReferences {
	return &MapReferences{refs: make(map[string]refstore.Association)}
}

// Set makes ref name the image, whatever it named before.
func (s *MapReferences) Set(ref reference.Named, id digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs[ref.String()] = refstore.Association{Ref: ref, ID: id}
}

// Get returns the ID of the image that ref names.
func (s *MapReferences) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.refs[ref.String()]
	if !ok {
		return "", class.Errorf(class.NotFound, "reference %s is not there", ref)
	}
	return found.ID, nil
}

// References returns the references to the image.
func (s *MapReferences) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	var found []reference.Named
	for a, err := range s.All(ctx) {
		if err != nil {
			return nil, err
		}
		if a.ID == id {
			found = append(found, a.Ref)
		}
	}
	return found, nil
}

// Delete removes ref if it still names id.
func (s *MapReferences) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.refs[ref.String()]; !ok || found.ID != id {
		return class.Errorf(class.NotFound, "reference %s to image %s is not there", ref, id)
	}
	delete(s.refs, ref.String())
	return nil
}

// All yields every reference, sorted by its full string.
func (s *MapReferences) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return func(yield func(refstore.Association, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(refstore.Association{}, err)
			return
		}
		for _, a := range s.sorted() {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (s *MapReferences) sorted() []refstore.Association {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []refstore.Association
	for _, full := range slices.Sorted(maps.Keys(s.refs)) {
		all = append(all, s.refs[full])
	}
	return all
}

// MapContainers is a ContainerRemover in a map. It is safe for concurrent use.
type MapContainers struct {
	mu   sync.RWMutex
	byID map[string]jettison.Container
}

// NewMapContainers returns an empty lister.
func NewMapContainers() *MapContainers {
	return &MapContainers{byID: make(map[string]jettison.Container)}
}

// Set records a container by its ID.
func (s *MapContainers) Set(c jettison.Container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Mounts = slices.Clone(c.Mounts)
	s.byID[c.ID] = c
}

// Remove removes a container. One that is not there is no error.
func (s *MapContainers) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// RemoveContainer removes a container with this ID, running or not.
func (s *MapContainers) RemoveContainer(ctx context.Context, c jettison.Container) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byID[c.ID]; !ok {
		return class.Errorf(class.NotFound, "container %s is not there", c.ID)
	}
	delete(s.byID, c.ID)
	return nil
}

// Containers returns the containers created from the image or mounting it.
func (s *MapContainers) Containers(ctx context.Context, image digest.Digest) ([]jettison.Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []jettison.Container
	for _, c := range s.all() {
		if c.Image == image || slices.Contains(c.Mounts, image) {
			found = append(found, c)
		}
	}
	return found, nil
}

// all returns every container, sorted by ID.
func (s *MapContainers) all() []jettison.Container {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []jettison.Container
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		c := s.byID[id]
		c.Mounts = slices.Clone(c.Mounts)
		all = append(all, c)
	}
	return all
}

// change changes the record of a container that is there.
func (s *MapContainers) change(id string, fn func(*jettison.Container)) error {
	for _, c := range s.all() {
		if c.ID == id {
			fn(&c)
			s.Set(c)
			return nil
		}
	}
	return class.Errorf(class.NotFound, "container %s is not there", id)
}
