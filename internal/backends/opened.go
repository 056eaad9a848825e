package backends

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

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
