package containerd_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/gc"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/adapters/containerd"
)

// A meter counts the calls of services by name, and makes one of them fail.
type meter struct {
	mu     sync.Mutex
	counts map[string]int
	// calls are those that were made, in their order: "images.Get 2" for the second
	// of this name.
	calls []string
	// failing is the call that fails; empty for none.
	failing string
	// before is called before each call, with its name.
	before func(name string)
	// late makes the failing call do its work before it fails, as when a daemon is
	// lost before it answers.
	late bool
}

// errLost is what a client says when the daemon is gone.
var errLost = fmt.Errorf("transport is closing: %w", errdefs.ErrUnavailable)

// restart forgets the calls that were made. Of those to come one fails.
func (m *meter) restart(failing string, late bool) {
	m.counts, m.calls, m.failing, m.late = nil, nil, failing, late
}

// failNext makes the next call of this name fail.
func (m *meter) failNext(name string) { m.failing = fmt.Sprintf("%s %d", name, m.counts[name]+1) }

// do counts a call and runs it, unless it is to fail.
func (m *meter) do(name string, call func() error) error {
	if m.before != nil {
		m.before(name)
	}
	m.mu.Lock()
	if m.counts == nil {
		m.counts = make(map[string]int)
	}
	m.counts[name]++
	m.calls = append(m.calls, fmt.Sprintf("%s %d", name, m.counts[name]))
	fails := m.calls[len(m.calls)-1] == m.failing
	m.mu.Unlock()
	if fails && !m.late {
		return errLost
	}
	err := call()
	if fails {
		return errLost
	}
	return err
}

// over counts the calls of services.
func (m *meter) over(s containerd.Services) containerd.Services {
	inner := s
	s.Images = meteredImages{s.Images, m}
	s.Content = meteredContent{s.Content, m}
	s.Leases = meteredLeases{s.Leases, m}
	s.Containers = meteredContainers{s.Containers, m}
	s.Tasks = meteredTasks{s.Tasks, m}
	s.Namespaces = meteredNamespaces{s.Namespaces, m}
	s.Garbage = meteredGarbage{s.Garbage, m}
	s.Snapshotter = func(name string) snapshots.Snapshotter {
		if store := inner.Snapshotter(name); store != nil {
			return meteredSnapshots{store, m}
		}
		return nil
	}
	return s
}

type meteredImages struct {
	images.Store
	m *meter
}

func (s meteredImages) List(ctx context.Context, filters ...string) (found []images.Image, err error) {
	err = s.m.do("images.List", func() error { found, err = s.Store.List(ctx, filters...); return err })
	return found, err
}

func (s meteredImages) Get(ctx context.Context, name string) (found images.Image, err error) {
	err = s.m.do("images.Get", func() error { found, err = s.Store.Get(ctx, name); return err })
	return found, err
}

func (s meteredImages) Create(ctx context.Context, image images.Image) (made images.Image, err error) {
	err = s.m.do("images.Create", func() error { made, err = s.Store.Create(ctx, image); return err })
	return made, err
}

func (s meteredImages) Update(ctx context.Context, image images.Image, paths ...string) (made images.Image, err error) {
	err = s.m.do("images.Update", func() error { made, err = s.Store.Update(ctx, image, paths...); return err })
	return made, err
}

func (s meteredImages) Delete(ctx context.Context, name string, opts ...images.DeleteOpt) error {
	return s.m.do("images.Delete", func() error { return s.Store.Delete(ctx, name, opts...) })
}

type meteredContent struct {
	content.Store
	m *meter
}

func (s meteredContent) Walk(ctx context.Context, fn content.WalkFunc, filters ...string) error {
	return s.m.do("content.Walk", func() error { return s.Store.Walk(ctx, fn, filters...) })
}

func (s meteredContent) Writer(ctx context.Context, opts ...content.WriterOpt) (w content.Writer, err error) {
	err = s.m.do("content.Writer", func() error { w, err = s.Store.Writer(ctx, opts...); return err })
	if err != nil && w != nil {
		err = errors.Join(err, w.Close()) // else whoever tries again waits for it
	}
	return w, err
}

func (s meteredContent) Info(ctx context.Context, dgst digest.Digest) (info content.Info, err error) {
	err = s.m.do("content.Info", func() error { info, err = s.Store.Info(ctx, dgst); return err })
	return info, err
}

func (s meteredContent) ReaderAt(ctx context.Context, desc ocispec.Descriptor) (r content.ReaderAt, err error) {
	err = s.m.do("content.ReaderAt", func() error { r, err = s.Store.ReaderAt(ctx, desc); return err })
	return r, err
}

type meteredLeases struct {
	leases.Manager
	m *meter
}

func (s meteredLeases) List(ctx context.Context, filters ...string) (found []leases.Lease, err error) {
	err = s.m.do("leases.List", func() error { found, err = s.Manager.List(ctx, filters...); return err })
	return found, err
}

func (s meteredLeases) ListResources(ctx context.Context, l leases.Lease) (found []leases.Resource, err error) {
	err = s.m.do("leases.ListResources", func() error { found, err = s.Manager.ListResources(ctx, l); return err })
	return found, err
}

func (s meteredLeases) Create(ctx context.Context, opts ...leases.Opt) (made leases.Lease, err error) {
	err = s.m.do("leases.Create", func() error { made, err = s.Manager.Create(ctx, opts...); return err })
	return made, err
}

func (s meteredLeases) Delete(ctx context.Context, l leases.Lease, opts ...leases.DeleteOpt) error {
	return s.m.do("leases.Delete", func() error { return s.Manager.Delete(ctx, l, opts...) })
}

func (s meteredLeases) AddResource(ctx context.Context, l leases.Lease, r leases.Resource) error {
	return s.m.do("leases.AddResource", func() error { return s.Manager.AddResource(ctx, l, r) })
}

type meteredContainers struct {
	containers.Store
	m *meter
}

func (s meteredContainers) List(ctx context.Context, filters ...string) (found []containers.Container, err error) {
	err = s.m.do("containers.List", func() error { found, err = s.Store.List(ctx, filters...); return err })
	return found, err
}

type meteredTasks struct {
	containerd.Tasks
	m *meter
}

func (s meteredTasks) Running(ctx context.Context, containers []string) (ids []string, err error) {
	err = s.m.do("tasks", func() error { ids, err = s.Tasks.Running(ctx, containers); return err })
	return ids, err
}

type meteredNamespaces struct {
	containerd.Namespaces
	m *meter
}

func (s meteredNamespaces) List(ctx context.Context) (names []string, err error) {
	err = s.m.do("namespaces.List", func() error { names, err = s.Namespaces.List(ctx); return err })
	return names, err
}

type meteredGarbage struct {
	containerd.Garbage
	m *meter
}

func (s meteredGarbage) GarbageCollect(ctx context.Context) (stats gc.Stats, err error) {
	err = s.m.do("garbage", func() error { stats, err = s.Garbage.GarbageCollect(ctx); return err })
	return stats, err
}

type meteredSnapshots struct {
	snapshots.Snapshotter
	m *meter
}

func (s meteredSnapshots) Walk(ctx context.Context, fn snapshots.WalkFunc, filters ...string) error {
	return s.m.do("snapshots.Walk", func() error { return s.Snapshotter.Walk(ctx, fn, filters...) })
}

func (s meteredSnapshots) Usage(ctx context.Context, key string) (used snapshots.Usage, err error) {
	err = s.m.do("snapshots.Usage", func() error { used, err = s.Snapshotter.Usage(ctx, key); return err })
	return used, err
}
