package storetest_test

import (
	"context"
	"iter"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// fakes are correct stores of which single methods can be replaced.
type fakes struct {
	images     fakeImages
	references fakeReferences
	containers fakeContainers
	leases     fakeLeases
}

type fakeImages struct {
	get      func(ctx context.Context, id digest.Digest) (imagestore.Image, error)
	search   func(ctx context.Context, prefix string) ([]digest.Digest, error)
	children func(ctx context.Context, id digest.Digest) ([]digest.Digest, error)
	layer    func(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error)
	remove   func(ctx context.Context, id digest.Digest) (imagestore.Removed, error)
	all      func(ctx context.Context) iter.Seq2[imagestore.Image, error]
}

func (f fakeImages) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	return f.get(ctx, id)
}

func (f fakeImages) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	return f.search(ctx, prefix)
}

func (f fakeImages) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return f.children(ctx, id)
}

func (f fakeImages) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	return f.layer(ctx, chainID)
}

func (f fakeImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	return f.remove(ctx, id)
}

func (f fakeImages) All(ctx context.Context) iter.Seq2[imagestore.Image, error] { return f.all(ctx) }

type fakeReferences struct {
	get        func(ctx context.Context, ref reference.Named) (digest.Digest, error)
	references func(ctx context.Context, id digest.Digest) ([]reference.Named, error)
	remove     func(ctx context.Context, ref reference.Named, id digest.Digest) error
	all        func(ctx context.Context) iter.Seq2[refstore.Association, error]
}

func (f fakeReferences) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	return f.get(ctx, ref)
}

func (f fakeReferences) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	return f.references(ctx, id)
}

func (f fakeReferences) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	return f.remove(ctx, ref, id)
}

func (f fakeReferences) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return f.all(ctx)
}

type fakeContainers struct {
	list   func(ctx context.Context, image digest.Digest) ([]jettison.Container, error)
	remove func(ctx context.Context, container jettison.Container) error
}

func (f fakeContainers) Containers(ctx context.Context, image digest.Digest) ([]jettison.Container, error) {
	return f.list(ctx, image)
}

func (f fakeContainers) RemoveContainer(ctx context.Context, container jettison.Container) error {
	return f.remove(ctx, container)
}

type fakeLeases struct {
	list   func(ctx context.Context, image digest.Digest) ([]conflict.Lease, error)
	add    func(ctx context.Context, image digest.Digest, lease conflict.Lease) error
	remove func(ctx context.Context, image digest.Digest, leaseID string) error
}

func (f fakeLeases) Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	return f.list(ctx, image)
}

func (f fakeLeases) Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error {
	return f.add(ctx, image, lease)
}

func (f fakeLeases) Remove(ctx context.Context, image digest.Digest, leaseID string) error {
	return f.remove(ctx, image, leaseID)
}

func newFakes(s jettison.Stores) *fakes {
	return &fakes{
		images: fakeImages{
			get: s.Images.Get, search: s.Images.Search, children: s.Images.Children,
			layer: s.Images.Layer, remove: s.Images.Delete, all: s.Images.All,
		},
		references: fakeReferences{
			get: s.References.Get, references: s.References.References, remove: s.References.Delete, all: s.References.All,
		},
		containers: fakeContainers{list: s.Containers.Containers, remove: s.Containers.Remover.RemoveContainer},
		leases:     fakeLeases{list: s.Leases.Leases, add: s.Leases.Add, remove: s.Leases.Remove},
	}
}

func (f *fakes) stores() jettison.Stores {
	return jettison.Stores{
		Images:     jettison.Images{ImageStore: f.images},
		References: jettison.References{ReferenceStore: f.references},
		Containers: jettison.Containers{ContainerLister: f.containers, Remover: f.containers},
		Leases:     f.leases,
	}
}

// partial is embedded under a name that does not hide the method Partial.
type partial = jettison.Partial

// faked is a backend whose stores are changed on their way to a function.
type faked struct {
	partial
	change func(*fakes)
}

func (b *faked) wrap(fn func(jettison.Stores) error) func(jettison.Stores) error {
	return func(s jettison.Stores) error {
		f := newFakes(s)
		b.change(f)
		return fn(f.stores())
	}
}

func (b *faked) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.View(ctx, b.wrap(fn))
}

func (b *faked) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.partial.Update(ctx, b.wrap(fn))
}

// around is the configuration of a backend that wraps the maps.
func around(wrap func(jettison.Partial) jettison.Backend) storetest.Config {
	cfg := backends.Maps().Config()
	inner := make(map[jettison.Backend]*backends.Opened)
	cfg.Open = func(t testing.TB, st storetest.State) jettison.Backend {
		o := backends.Maps().Open(t, st)
		b := wrap(o.Backend.(jettison.Partial)) //nolint:errcheck,forcetypeassert // maps share no transaction
		inner[b] = o
		return b
	}
	cfg.Damage = func(t testing.TB, b jettison.Backend, id digest.Digest) { inner[b].Damage(t, id) }
	return cfg
}

// parse reads a name with a tag or with a digest.
func parse(t testing.TB, name string) named {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return reference.TagNameOnly(ref)
}
