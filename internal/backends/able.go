package backends

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/storetest"
)

// Able returns the kind of backend that has every optional ability: a store in
// memory, and around it those that no kind of [All] has.
func Able() Backend {
	able := Memory()
	inner := able.Open
	able.Name = "able"
	able.NamedDeletes, able.Collects, able.ShortNames = true, true, true
	able.Digest = func(img storetest.Image) digest.Digest { return knownBy(img.ID()) }
	able.Open = func(t testing.TB, st storetest.State) *Opened {
		o := inner(t, st)
		b := &ableBackend{Backend: o.Backend, garbage: make(map[digest.Digest]bool), held: make(map[digest.Digest]bool)}
		o.Backend, o.engine = b, ableEngine{o.engine, b}
		return o
	}
	return able
}

// ableBackend gives the stores of a backend the abilities that they lack. Layers and
// content that deletions take from them become garbage.
type ableBackend struct {
	jettison.Backend

	mu            sync.Mutex
	garbage, held map[digest.Digest]bool // by chain ID or digest
}

func (b *ableBackend) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

func (b *ableBackend) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

func (b *ableBackend) stores(stores jettison.Stores) jettison.Stores {
	images := &ableImages{ImageStore: stores.Images.ImageStore, PlatformStore: stores.Images.Platforms, refs: stores.References, backend: b}
	names := ableReferences{stores.Images}
	stores.Images.ImageStore, stores.Images.Platforms, stores.Images.Named, stores.Images.Collector = images, images, images, images
	stores.References.Short, stores.References.Digests = names, names
	return stores
}

// ableImages make garbage when they are deleted or replaced, and collect it.
type ableImages struct {
	jettison.ImageStore
	jettison.PlatformStore
	refs     jettison.ReferenceStore
	backend  *ableBackend
	reported []digest.Digest
}

// Delete makes garbage.
func (s *ableImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	removed, err := s.ImageStore.Delete(ctx, id)
	s.discard(removed)
	return removed, err
}

// Replace makes garbage.
func (s *ableImages) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	img, removed, err := s.PlatformStore.Replace(ctx, id, manifests)
	s.discard(removed)
	return img, removed, err
}

// DeleteNamed removes one after another.
func (s *ableImages) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	for i, ref := range refs {
		if err := s.refs.Delete(ctx, ref, id); err != nil {
			return i, imagestore.Removed{}, err
		}
	}
	removed, err := s.Delete(ctx, id)
	return len(refs), removed, err
}

func (s *ableImages) discard(removed imagestore.Removed) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	discard := func(dgst digest.Digest) {
		s.backend.garbage[dgst] = true
		s.reported = append(s.reported, dgst)
	}
	for _, l := range removed.Layers {
		discard(l.ChainID)
	}
	for _, c := range removed.Content {
		discard(c.Digest)
	}
}

// Collect takes all garbage that is not held.
func (s *ableImages) Collect(ctx context.Context) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	for dgst := range s.backend.garbage {
		if !s.backend.held[dgst] {
			delete(s.backend.garbage, dgst)
		}
	}
	left := slices.DeleteFunc(s.reported, func(dgst digest.Digest) bool { return !s.backend.held[dgst] })
	s.reported = nil
	return left, nil
}

// ableReferences complete names and know digests.
type ableReferences struct{ images jettison.ImageStore }

// knownBy is the digest that an image is known by without a reference.
func knownBy(id digest.Digest) digest.Digest { return digest.FromString("known as " + id.String()) }

// ByDigest looks through all images.
func (s ableReferences) ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	ids, err := s.images.Search(ctx, "")
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if knownBy(id) == dgst {
			return id, nil
		}
	}
	return "", class.Errorf(class.NotFound, "no image is known by %s", dgst)
}

// Candidates puts localhost and the domain of names without one before the name.
func (ableReferences) Candidates(ctx context.Context, short string) ([]reference.Named, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []reference.Named
	for _, domain := range []string{"localhost/", "docker.io/"} {
		ref, err := parse(domain + short)
		if err != nil {
			return nil, err
		}
		found = append(found, ref)
	}
	return found, nil
}

// ableEngine knows the garbage too.
type ableEngine struct {
	TestEngine
	backend *ableBackend
}

var _ Hoarder = ableEngine{}

func (e ableEngine) Hold(ctx context.Context, dgst digest.Digest) error {
	there, err := e.There(ctx, dgst)
	if err == nil && !there {
		err = class.Errorf(class.NotFound, "neither a layer nor content is %s", dgst)
	}
	e.backend.mu.Lock()
	defer e.backend.mu.Unlock()
	e.backend.held[dgst] = err == nil
	return err
}

func (e ableEngine) There(ctx context.Context, dgst digest.Digest) (bool, error) {
	if e.isGarbage(dgst) {
		return true, nil
	}
	contents, err := e.Contents(ctx)
	if err != nil || slices.ContainsFunc(contents, func(c imagestore.Content) bool { return c.Digest == dgst }) {
		return err == nil, err
	}
	err = e.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Layer(ctx, dgst)
		return err
	})
	if class.Is(err, class.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func (e ableEngine) isGarbage(dgst digest.Digest) bool {
	e.backend.mu.Lock()
	defer e.backend.mu.Unlock()
	return e.backend.garbage[dgst]
}
