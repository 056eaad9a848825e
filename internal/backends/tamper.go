package backends

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// A Tampered backend is one with parents that no engine would record, with uses
// of images at any time, and only at those, and with writes that fail. It is for
// one test that works on it by itself.
type Tampered struct {
	jettison.Backend
	// Parents has the parents by the child.
	Parents map[digest.Digest]digest.Digest
	// Used has when an image was last used.
	Used map[digest.Digest]time.Time
	// Failing says which write of an update fails, by its kind: "untag", "delete"
	// or "replace".
	Failing map[string]int
	// Digests says that the store knows images by their digests: here, by their IDs.
	Digests bool
	// Short is what the store completes names with, the likeliest first.
	Short []string
}

var errDiskFull = errors.New("disk full")

// Tamper wraps a backend. One that is partial stays so.
func Tamper(b jettison.Backend) (*Tampered, jettison.Backend) {
	t := &Tampered{
		Backend: b,
		Parents: make(map[digest.Digest]digest.Digest),
		Used:    make(map[digest.Digest]time.Time),
		Failing: make(map[string]int),
	}
	if _, ok := b.(jettison.Partial); ok {
		return t, tamperedPartial{t}
	}
	return t, t
}

type tamperedPartial struct{ *Tampered }

func (tamperedPartial) Partial() {}

// View shows the tampered stores.
func (t *Tampered) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return t.Backend.View(ctx, func(stores jettison.Stores) error { return fn(t.stores(stores)) })
}

// Update changes through the tampered stores.
func (t *Tampered) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return t.Backend.Update(ctx, func(stores jettison.Stores) error { return fn(t.stores(stores)) })
}

// stores leaves the stores the abilities that they have, but for a NamedDeleter:
// what fails is counted by references and images.
func (t *Tampered) stores(stores jettison.Stores) jettison.Stores {
	writes := &writes{failing: t.Failing, done: make(map[string]int)}
	images, refs, containers := &stores.Images, &stores.References, &stores.Containers
	images.ImageStore, images.Named = &tamperedImages{images.ImageStore, t, writes}, nil
	if images.Platforms != nil {
		images.Platforms = tamperedIndexes{images.Platforms, writes}
	}
	refs.ReferenceStore = &tamperedReferences{refs.ReferenceStore, writes}
	if t.Short != nil {
		refs.Short = completing(t.Short)
	}
	if t.Digests {
		refs.Digests = knowing{images.ImageStore}
	}
	if containers.Remover != nil {
		containers.Remover = tamperedContainers{containers.Remover, writes}
	}
	return stores
}

// tamperedContainers fail to go when they are told to.
type tamperedContainers struct {
	jettison.ContainerRemover
	writes *writes
}

func (s tamperedContainers) RemoveContainer(ctx context.Context, c jettison.Container) error {
	if err := s.writes.next("container"); err != nil {
		return err
	}
	if from := s.writes.failing["containers"]; from > 0 && s.writes.done["container"] >= from {
		return errDiskFull
	}
	return s.ContainerRemover.RemoveContainer(ctx, c)
}

// knowing knows images by their digests.
type knowing struct{ images jettison.ImageStore }

// ByDigest takes the digest for an ID.
func (s knowing) ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	img, err := s.images.Get(ctx, dgst)
	return img.ID, err
}

// completing completes names with prefixes.
type completing []string

// Candidates puts each prefix before the name.
func (prefixes completing) Candidates(_ context.Context, short string) ([]reference.Named, error) {
	var candidates []reference.Named
	for _, prefix := range prefixes {
		ref, err := reference.ParseNormalizedNamed(prefix + "/" + short)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, ref)
	}
	return candidates, nil
}

// tamperedIndexes fails when it is told to.
type tamperedIndexes struct {
	jettison.PlatformStore
	writes *writes
}

func (s tamperedIndexes) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	if err := s.writes.next("replace"); err != nil {
		return imagestore.Image{}, imagestore.Removed{}, err
	}
	return s.PlatformStore.Replace(ctx, id, manifests)
}

// writes counts the writes of one update.
type writes struct {
	failing, done map[string]int
}

func (w *writes) next(kind string) error {
	w.done[kind]++
	if w.done[kind] == w.failing[kind] {
		return errDiskFull
	}
	return nil
}

type tamperedImages struct {
	jettison.ImageStore
	*Tampered
	writes *writes
}

func (s *tamperedImages) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	img, err := s.ImageStore.Get(ctx, id)
	return s.altered(img), err
}

func (s *tamperedImages) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		for img, err := range s.ImageStore.All(ctx) {
			if !yield(s.altered(img), err) {
				return
			}
		}
	}
}

func (t *Tampered) altered(img imagestore.Image) imagestore.Image {
	if parent, ok := t.Parents[img.ID]; ok {
		img.Parent = parent
	}
	img.LastUsed = t.Used[img.ID]
	return img
}

func (s *tamperedImages) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	children, err := s.ImageStore.Children(ctx, id)
	children = slices.DeleteFunc(slices.Clone(children), func(child digest.Digest) bool {
		_, ok := s.Parents[child]
		return ok
	})
	for child, parent := range s.Parents {
		if _, err := s.ImageStore.Get(ctx, child); err == nil && parent == id {
			children = append(children, child)
		}
	}
	slices.Sort(children)
	return children, err
}

func (s *tamperedImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	if err := s.writes.next("delete"); err != nil {
		return imagestore.Removed{}, err
	}
	return s.ImageStore.Delete(ctx, id)
}

type tamperedReferences struct {
	jettison.ReferenceStore
	writes *writes
}

func (s *tamperedReferences) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := s.writes.next("untag"); err != nil {
		return err
	}
	return s.ReferenceStore.Delete(ctx, ref, id)
}
