package containerd

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"
)

// uses are what keeps images busy, as the lists have it.
type uses struct {
	containers []container
	leases     []lease
	others     map[string]*foreign // other namespaces that count
}

// A container is the record of one, and where it is.
type container struct {
	containers.Container
	// namespace is empty for that of the images.
	namespace string
	note      kubernetes
	running   bool
}

// A lease is one with what it holds.
type lease struct {
	leases.Lease
	content   []digest.Digest
	images    []string
	snapshots []snapshotKey
}

// A foreign is what is known of the images of another namespace.
type foreign struct {
	targets map[string]digest.Digest // by name
	tree    *tree
}

// loadUses lists containers, tasks and leases, once, and several at once.
func (s *state) loadUses(ctx context.Context) (*uses, error) {
	if s.uses != nil {
		return s.uses, nil
	}
	u := &uses{others: make(map[string]*foreign)}
	found := make([]users, 1+len(s.backend.opts.Namespaces)) // the first are those of the images' namespace
	calls := []func(context.Context) error{
		func(ctx context.Context) (err error) { u.leases, err = s.listLeases(s.here(ctx)); return err },
		func(ctx context.Context) (err error) {
			found[0].containers, err = s.listContainers(s.here(ctx), "")
			return err
		},
	}
	for i, namespace := range s.backend.opts.Namespaces {
		calls = append(calls, func(ctx context.Context) (err error) { found[1+i], err = s.loadUsers(ctx, namespace); return err })
	}
	if err := together(ctx, calls...); err != nil {
		return nil, err
	}
	u.containers = found[0].containers
	for i, namespace := range s.backend.opts.Namespaces {
		u.containers = append(u.containers, found[1+i].containers...)
		u.others[namespace] = found[1+i].foreign
	}
	s.uses = u
	return u, nil
}

// users are the containers of a namespace, with what they speak of.
type users struct {
	containers []container
	foreign    *foreign // nil when there are none
}

// loadUsers looks at the containers of another namespace, and then at the images
// and snapshots there.
func (s *state) loadUsers(ctx context.Context, namespace string) (users, error) {
	var u users
	var err error
	if u.containers, err = s.listContainers(in(ctx, namespace), namespace); err != nil || len(u.containers) == 0 {
		return u, err
	}
	u.foreign, err = s.loadForeign(in(ctx, namespace), u.containers)
	return u, err
}

// listContainers lists the containers of the context's namespace.
func (s *state) listContainers(ctx context.Context, namespace string) ([]container, error) {
	if s.backend.services.Containers == nil {
		return nil, nil
	}
	records, err := s.backend.services.Containers.List(ctx)
	if err != nil {
		return nil, failed("list containers", err)
	}
	running, err := s.running(ctx, records)
	if err != nil {
		return nil, err
	}
	found := make([]container, 0, len(records))
	for _, record := range records {
		found = append(found, container{record, namespace, kubernetesOf(record), running[record.ID]})
	}
	return found, nil
}

// running are the IDs of those containers that run.
func (s *state) running(ctx context.Context, records []containers.Container) (map[string]bool, error) {
	if s.backend.services.Tasks == nil || len(records) == 0 {
		return nil, nil
	}
	ids := make([]string, 0, len(records))
	for _, record := range records {
		ids = append(ids, record.ID)
	}
	running, err := s.backend.services.Tasks.Running(ctx, ids)
	if err != nil {
		return nil, failed("list tasks", err)
	}
	found := make(map[string]bool, len(running))
	for _, id := range running {
		found[id] = true
	}
	return found, nil
}

// loadForeign looks at the images and snapshots of another namespace with
// containers.
func (s *state) loadForeign(ctx context.Context, users []container) (*foreign, error) {
	f := &foreign{targets: make(map[string]digest.Digest)}
	records, err := s.backend.listImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		f.targets[record.Name] = record.Target.Digest
	}
	var names []string
	for _, c := range users {
		names = append(names, c.Snapshotter)
	}
	slices.Sort(names)
	f.tree, err = s.backend.walkSnapshots(ctx, slices.Compact(names))
	return f, err
}

// listLeases lists the leases that live, with what each holds.
func (s *state) listLeases(ctx context.Context) ([]lease, error) {
	manager := s.backend.services.Leases
	records, err := manager.List(ctx)
	if err != nil {
		return nil, failed("list leases", err)
	}
	found := make([]lease, len(records))
	err = several(ctx, len(records), func(ctx context.Context, i int) error {
		found[i].Lease = records[i]
		if !isOurs(records[i]) && s.backend.hasExpired(records[i]) {
			return nil
		}
		resources, err := manager.ListResources(ctx, records[i])
		if err != nil && !isMissing(err) {
			return failed("list what lease "+records[i].ID+" holds", err)
		}
		found[i].hold(resources)
		return nil
	})
	return found, err
}

// hold notes what a lease holds.
func (l *lease) hold(resources []leases.Resource) {
	for _, r := range resources {
		kind, name, _ := strings.Cut(r.Type, "/")
		switch kind {
		case "content":
			l.content = append(l.content, digest.Digest(r.ID))
		case "images":
			l.images = append(l.images, r.ID)
		case "snapshots":
			l.snapshots = append(l.snapshots, snapshotKey{name, r.ID})
		}
	}
}

// hasExpired reports whether a lease counts for nothing any more. One whose time
// cannot be read lives, as it does for containerd.
func (b *Backend) hasExpired(l leases.Lease) bool {
	expires, err := time.Parse(time.RFC3339, l.Labels[gcExpire])
	return err == nil && !b.opts.Now().Before(expires)
}

// sharedContent returns what other namespaces have of the content too.
func (s *state) sharedContent(ctx context.Context) (map[digest.Digest]bool, error) {
	shared := make(map[digest.Digest]bool)
	if s.backend.services.Namespaces == nil {
		return shared, nil
	}
	all, err := s.backend.services.Namespaces.List(ctx)
	if err != nil {
		return nil, failed("list namespaces", err)
	}
	others := slices.DeleteFunc(all, func(namespace string) bool { return namespace == s.backend.opts.Namespace })
	var mu sync.Mutex
	err = several(ctx, len(others), func(ctx context.Context, i int) error {
		err := s.backend.services.Content.Walk(in(ctx, others[i]), func(info content.Info) error {
			mu.Lock()
			defer mu.Unlock()
			shared[info.Digest] = true
			return nil
		})
		return failed("walk content of namespace "+others[i], err)
	})
	return shared, err
}
