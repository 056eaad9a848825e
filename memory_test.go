package jettison_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// A memory is a store in memory, a service over it, the clock of both, and the
// events that the service sent.
type memory struct {
	*jettison.Service
	t      testing.TB
	db     kv.DB
	store  *kvstore.Store
	now    time.Time
	events []string
}

func newMemory(t testing.TB) *memory {
	t.Helper()
	m := &memory{t: t, db: memkv.New(), now: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return m.now }
	store, err := kvstore.New(t.Context(), m.db, &kvstore.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	m.store = store
	m.Service = jettison.New(store, &jettison.Options{
		Now: clock,
		Events: func(_ context.Context, e jettison.Event) {
			m.events = append(m.events, fmt.Sprintf("%s %s", e.Action, e.Name))
		},
	})
	return m
}

func (m *memory) edit(fn func(*kvstore.Tx) error) {
	m.t.Helper()
	if err := m.store.Edit(m.t.Context(), fn); err != nil {
		m.t.Fatal(err)
	}
}

// image makes an image and tags it.
func (m *memory) image(spec storetest.Spec, names ...string) digest.Digest {
	m.t.Helper()
	made := spec.Image()
	m.edit(func(tx *kvstore.Tx) error {
		_, err := tx.Images.Create(m.t.Context(), imagestore.Spec{
			Config:  made.Config,
			Parent:  made.Parent,
			Layers:  made.LayerDescriptors(),
			Content: []ocispec.Descriptor{made.ConfigDescriptor()},
		})
		return err
	})
	m.tag(made.ID(), names...)
	return made.ID()
}

// tag makes the names references to an image, which need not be there.
func (m *memory) tag(id digest.Digest, names ...string) {
	m.t.Helper()
	for _, name := range names {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			m.t.Fatal(err)
		}
		m.edit(func(tx *kvstore.Tx) error {
			if canonical, ok := ref.(reference.Canonical); ok {
				return tx.References.AddDigest(m.t.Context(), canonical, id)
			}
			return tx.References.AddTag(m.t.Context(), ref, id, refstore.AddOptions{Force: true})
		})
	}
}

// container records a container.
func (m *memory) container(c jettison.Container) {
	m.t.Helper()
	m.edit(func(tx *kvstore.Tx) error {
		_, err := tx.Containers.Add(m.t.Context(), c)
		return err
	})
}

// lease takes a lease that never ends.
func (m *memory) lease(name string) *jettison.Lease {
	m.t.Helper()
	lease, err := m.Lease(m.t.Context(), name, jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "puller"})
	if err != nil {
		m.t.Fatal(err)
	}
	return lease
}

// damage makes the record of an image unreadable.
func (m *memory) damage(id digest.Digest) {
	m.t.Helper()
	err := m.db.Update(m.t.Context(), func(tx kv.Tx) error {
		return tx.Put(m.t.Context(), []byte("image/"+id.String()), []byte("damage"))
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// dump is every key and value of the store: equal dumps are equal stores.
func (m *memory) dump() string {
	m.t.Helper()
	var b strings.Builder
	err := m.db.View(m.t.Context(), func(r kv.Reader) error {
		for entry, err := range r.Scan(m.t.Context(), nil) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %q\n", entry.Key, entry.Value)
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return b.String()
}

// references are the familiar names of all references.
func (m *memory) references() []string {
	m.t.Helper()
	names := []string{}
	err := m.store.Read(m.t.Context(), func(tx *kvstore.Tx) error {
		for a, err := range tx.References.All(m.t.Context()) {
			if err != nil {
				return err
			}
			names = append(names, reference.FamiliarString(a.Ref))
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return names
}

// lines are the records as text.
func lines(records []jettison.DeleteResponse) []string {
	text := make([]string, 0, len(records))
	for _, r := range records {
		text = append(text, r.String())
	}
	return text
}

// plan plans the removal of what one text means.
func (m *memory) plan(typed string, opts jettison.RemoveOptions) jettison.Removal {
	m.t.Helper()
	plan, err := m.PlanDelete(m.t.Context(), []string{typed}, opts)
	if err != nil {
		m.t.Fatal(err)
	}
	return plan.Removals[0]
}
