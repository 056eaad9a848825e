package backends

import (
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
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
	// Keeping says that a stopped container keeps its image when force takes the last
	// name from it.
	Keeping bool
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
	var opened register
	cfg := storetest.Config{
		Open:       func(t testing.TB, st storetest.State) jettison.Backend { return opened.add(b.Open(t, st)) },
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
		cfg.Damage = func(t testing.TB, of jettison.Backend, id digest.Digest) { opened.of(of).Damage(t, id) }
	}
	if b.Collects {
		cfg.Garbage = &storetest.Garbage{
			Hold:  func(t testing.TB, of jettison.Backend, dgst digest.Digest) { opened.of(of).Hold(t, dgst) },
			There: func(t testing.TB, of jettison.Backend, dgst digest.Digest) bool { return opened.of(of).There(t, dgst) },
		}
	}
	if b.Platforms {
		cfg.Document = func(t testing.TB, of jettison.Backend, index digest.Digest) []byte {
			return opened.of(of).Document(t, index)
		}
	}
	return cfg
}

// A register has what was opened by its backend. It is safe for concurrent use.
type register struct{ opened sync.Map }

func (r *register) add(o *Opened) jettison.Backend {
	r.opened.Store(o.Backend, o)
	return o.Backend
}

func (r *register) of(b jettison.Backend) *Opened {
	found, _ := r.opened.Load(b)
	return found.(*Opened) //nolint:errcheck,forcetypeassert // nothing else is in it
}
