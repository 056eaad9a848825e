package backends

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// A Backend is a kind of backend.
type Backend struct {
	// Name is fit for a subtest.
	Name string
	// Open opens a fresh one, filled with the state. It is closed when the
	// test ends.
	Open func(t testing.TB, st storetest.State) *Opened
	// Capabilities are what it can do.
	Capabilities
}

// Capabilities are what tests need to know of a backend.
type Capabilities struct {
	// Atomic says that an update that fails has changed nothing (rule D14).
	Atomic bool
	// Parents says that it keeps from which image another was built.
	Parents bool
	// Dangling says that a reference may name an image that is not there.
	Dangling bool
	// Manifest is the manifest that it keeps for an image; nil if it keeps none.
	Manifest func(storetest.Image) []byte
	// Durable says that it lies on disk, where each update costs
	// milliseconds.
	Durable bool
	// Referrers says that its images have a [jettison.ReferrerStore].
	Referrers bool
	// Platforms says that its images have a [jettison.PlatformStore].
	Platforms bool
	// RemovesContainers says that its containers have a [jettison.ContainerRemover].
	RemovesContainers bool
	// NamedDeletes says that its images have a [jettison.NamedDeleter].
	NamedDeletes bool
	// Collects says that its images have a [jettison.Collector]: its engine is a
	// [Hoarder].
	Collects bool
	// ShortNames says that its references have a [jettison.ShortNamer].
	ShortNames bool
	// Digest is the digest that it knows an image by without a reference; nil if its
	// references have no [jettison.DigestNamer].
	Digest func(storetest.Image) digest.Digest
	// Content says that what images and layers occupy is known, to the byte of what
	// the tests make.
	Content bool
	// Mounts says that a container may mount images.
	Mounts bool
	// Unreadable says that the record of an image can be damaged by itself.
	Unreadable bool
	// Binding says that an image cannot be deleted while a container of it is there,
	// not even by force.
	Binding bool
	// Lists says that a list of images is an image of its own, without layers: its
	// engine is a [Lister].
	Lists bool
	// Documents says that an image may lack its manifest or its configuration, which
	// is a warning: its engine is a [Spoiler].
	Documents bool
}

// Fit returns the state without what the backend cannot keep.
func (c Capabilities) Fit(st storetest.State) storetest.State {
	ids := make(map[digest.Digest]bool)
	st.Images = slices.Clone(st.Images)
	for i := range st.Images {
		ids[st.Images[i].ID()] = true
		if !c.Parents {
			st.Images[i].Parent = ""
		}
	}
	if !c.Dangling {
		st.References = slices.DeleteFunc(slices.Clone(st.References), func(r storetest.Reference) bool { return !ids[r.Image] })
	}
	return st
}

// Alike returns the kinds of backend that can be in the same states and dump
// them in the same lines, the fast ones first.
func Alike() []Backend {
	return slices.DeleteFunc(All(), func(b Backend) bool { return !b.Parents || !b.Dangling || b.Manifest != nil })
}

// Maps returns the smallest kind of backend: three maps that share no transaction.
func Maps() Backend {
	b := Backend{Name: "maps", Open: openMaps}
	b.Content, b.Mounts, b.Unreadable = true, true, true
	b.Parents, b.Dangling, b.RemovesContainers = true, true, true
	return b
}

// Memory returns the kind of backend that is kvstore in memory.
func Memory() Backend {
	b := Backend{Name: "memkv", Open: openMemKV, Capabilities: Maps().Capabilities}
	b.Atomic, b.Referrers, b.Platforms = true, true, true
	return b
}

// All returns every kind of backend: the fast ones first.
func All() []Backend {
	kv := Memory().Capabilities
	disk := kv
	disk.Durable = true
	layout := disk
	layout.Manifest = LayoutManifest
	layout.Parents, layout.Dangling, layout.RemovesContainers = false, false, false
	return []Backend{
		Maps(),
		Memory(),
		{Name: "boltkv", Open: openBoltKV, Capabilities: kv},
		{Name: "diskstore", Open: openDisk, Capabilities: disk},
		{Name: "diskstore-background", Open: openBackground, Capabilities: disk},
		{Name: "ocilayout", Open: openLayout, Capabilities: layout},
	}
}

// Config is what the suite needs to know of a backend.
func (b Backend) Config() storetest.Config {
	var mu sync.Mutex
	opened := make(map[jettison.Backend]*Opened)
	cfg := storetest.Config{
		Open: func(t testing.TB, st storetest.State) jettison.Backend {
			o := b.Open(t, st)
			mu.Lock()
			defer mu.Unlock()
			opened[o.Backend] = o
			return o.Backend
		},
		Atomic:     b.Atomic,
		Content:    b.Content,
		Parents:    b.Parents,
		Manifest:   b.Manifest,
		Containers: true,
		Mounts:     b.Mounts,
		Leases:     true,
		Dangling:   b.Dangling,
		Referrers:  b.Referrers,
		Platforms:  b.Platforms,

		RemovesContainers: b.RemovesContainers,
		NamedDeletes:      b.NamedDeletes,
		ShortNames:        b.ShortNames,
		Digest:            b.Digest,
	}
	if b.Unreadable {
		cfg.Damage = func(t testing.TB, backend jettison.Backend, id digest.Digest) {
			mu.Lock()
			defer mu.Unlock()
			opened[backend].Damage(t, id)
		}
	}
	if b.Collects {
		cfg.Garbage = &storetest.Garbage{
			Hold: func(t testing.TB, backend jettison.Backend, dgst digest.Digest) {
				mu.Lock()
				defer mu.Unlock()
				opened[backend].Hold(t, dgst)
			},
			There: func(t testing.TB, backend jettison.Backend, dgst digest.Digest) bool {
				mu.Lock()
				defer mu.Unlock()
				return opened[backend].There(t, dgst)
			},
		}
	}
	if b.Platforms {
		cfg.Document = func(t testing.TB, backend jettison.Backend, index digest.Digest) []byte {
			mu.Lock()
			defer mu.Unlock()
			return opened[backend].Document(t, index)
		}
	}
	return cfg
}

// An Engine changes a store as a container engine does beside the deletions.
// Each call is one transaction where the store has them.
type Engine interface {
	// Create makes an image. One that is there stays as it is, but gets the
	// parent if it has none. NotFound when the parent is not there.
	Create(ctx context.Context, img storetest.Image) error
	// Tag makes a name, with a tag or with a digest, name the image. NotFound
	// when there is no such image, Conflict when the name is taken and not
	// forced.
	Tag(ctx context.Context, name string, id digest.Digest, opts refstore.AddOptions) error
	// AddContainer records a container with an ID. NotFound when an image that
	// it uses is not there.
	AddContainer(ctx context.Context, c jettison.Container) error
	// Start records that the container with this ID runs.
	Start(ctx context.Context, container string) error
	// Stop records that it does not run.
	Stop(ctx context.Context, container string) error
	// RemoveContainer removes its record, running or not.
	RemoveContainer(ctx context.Context, container string) error
}

// A TestEngine is an engine with what tests need beside its changes.
type TestEngine interface {
	Engine
	Inspector
	// CreateAll is Create of many at once.
	CreateAll(ctx context.Context, images []storetest.Image) error
	// Name makes a name name an image that need not be there.
	Name(ctx context.Context, name string, id digest.Digest) error
	// Damage makes the record of an image unreadable.
	Damage(ctx context.Context, id digest.Digest) error
	// Reopen closes the store and opens it again, where it has a file.
	Reopen(ctx context.Context) error
}

// An Inspector looks at what the contracts do not show.
type Inspector interface {
	// Contents lists all content, sorted by digest.
	Contents(ctx context.Context) ([]imagestore.Content, error)
	// Containers lists all containers, sorted by ID.
	Containers(ctx context.Context) ([]jettison.Container, error)
	// Problems says what of the store does not fit together.
	Problems(ctx context.Context) ([]string, error)
	// Document reads the document of an index; it is called only where the
	// backend takes platforms out of them.
	Document(ctx context.Context, index digest.Digest) ([]byte, error)
}

// Opened is an open backend and the powers of a test over it.
type Opened struct {
	// Backend is what a service is made over.
	Backend jettison.Backend
	Engine

	engine TestEngine
}

// New fills a fresh backend with the state, through the engine that changes it.
// What there is of it must fit the capabilities that the backend declares.
func New(t testing.TB, b jettison.Backend, engine TestEngine, st storetest.State) *Opened {
	t.Helper()
	o := &Opened{Backend: b, Engine: engine, engine: engine}
	if err := o.fill(t.Context(), st); err != nil {
		t.Fatalf("fill the store: %v", err)
	}
	return o
}

func (o *Opened) fill(ctx context.Context, st storetest.State) error {
	if err := o.engine.CreateAll(ctx, st.Images); err != nil {
		return err
	}
	for _, ref := range st.References {
		if err := o.engine.Name(ctx, ref.Name, ref.Image); err != nil {
			return err
		}
	}
	for _, c := range st.Containers {
		if err := o.AddContainer(ctx, c); err != nil {
			return err
		}
	}
	return o.Backend.Update(ctx, func(stores jettison.Stores) error {
		for _, l := range st.Leases {
			if err := stores.Leases.Add(ctx, l.Image, l.Lease); err != nil {
				return err
			}
		}
		return nil
	})
}

// Damage makes the record of an image unreadable (rule R5).
func (o *Opened) Damage(t testing.TB, id digest.Digest) {
	t.Helper()
	if err := o.engine.Damage(t.Context(), id); err != nil {
		t.Fatalf("damage %s: %v", id, err)
	}
}

// Document returns the document of an index, byte for byte.
func (o *Opened) Document(t testing.TB, index digest.Digest) []byte {
	t.Helper()
	data, err := o.engine.Document(t.Context(), index)
	if err != nil {
		t.Fatalf("document of %s: %v", index, err)
	}
	return data
}

// Reopen closes a store that has a file, waits for what that leaves to be done,
// and opens it again as a new process does. Whoever uses it meanwhile waits. A
// store in memory stays as it is.
func (o *Opened) Reopen(t testing.TB) {
	t.Helper()
	if err := o.engine.Reopen(t.Context()); err != nil {
		t.Fatalf("reopen: %v", err)
	}
}

// Problems says what of the store does not fit together: counts and indexes in
// both directions, references and uses of images that are not there, content
// without a file, files without content. An image that was damaged or forgotten
// is such a problem, or an error.
func (o *Opened) Problems(t testing.TB) []string {
	t.Helper()
	found, err := o.engine.Problems(t.Context())
	if err != nil {
		t.Fatalf("look for problems: %v", err)
	}
	return found
}

// Forget removes an image past the engine; references and containers stay
// (rule R5).
func (o *Opened) Forget(t testing.TB, id digest.Digest) {
	t.Helper()
	err := o.Backend.Update(t.Context(), func(stores jettison.Stores) error {
		_, err := stores.Images.Delete(t.Context(), id)
		return err
	})
	if err != nil {
		t.Fatalf("forget %s: %v", id, err)
	}
}
