package containerd

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/pkg/identifiers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// Options configure a [Backend]. The zero value of each field is a safe default.
type Options struct {
	// Namespace is where the images are. The default is "default", as for ctr and
	// nerdctl; Docker's are in "moby", those of Kubernetes in "k8s.io".
	Namespace string
	// Namespaces are others whose containers count as uses: one there uses the
	// image that has the same target as the one it was made from, or whose layers
	// its snapshot lies on. The default is none. Images there are never touched, and
	// keep what they need themselves.
	Namespaces []string
	// BackReferences lets the record that keeps an image without a name, because
	// containers use it, go by itself when they are gone (the labels
	// containerd.io/gc.expire and containerd.io/gc.bref.container, which a daemon
	// knows since 2.2; with an older one nothing changes). The default is to leave
	// the record to a prune, for programs that tag the image later copy the labels
	// of its records, and the new name would go with the container.
	BackReferences bool
	// Now is the clock by which leases of others expire. The default is time.Now.
	Now func() time.Time
}

// A Backend shows the images of one namespace of containerd. It is a
// [jettison.Partial] backend: each change stands by itself.
//
// It is safe for concurrent use. Updates of one Backend run one after another;
// what others change meanwhile is noticed, for a name is removed only if it has
// the target that it had.
type Backend struct {
	services Services
	opts     Options
	docs     *documents
	usage    *usages

	mu sync.RWMutex // an update runs alone
}

var _ jettison.Partial = (*Backend)(nil)

// New returns a backend over services. Nil options mean the defaults. The error
// is of class InvalidArgument when a service is missing that is required, or a
// namespace cannot be one.
func New(services Services, opts *Options) (*Backend, error) {
	if err := services.check(); err != nil {
		return nil, err
	}
	b := &Backend{services: services, docs: newDocuments(), usage: newUsages()}
	if opts != nil {
		b.opts = *opts
	}
	if b.opts.Namespace == "" {
		b.opts.Namespace = namespaces.Default
	}
	for _, namespace := range append([]string{b.opts.Namespace}, b.opts.Namespaces...) {
		if err := identifiers.Validate(namespace); err != nil {
			return nil, class.Errorf(class.InvalidArgument, "containerd: namespace %q: %w", namespace, err)
		}
	}
	if b.opts.Now == nil {
		b.opts.Now = time.Now
	}
	b.opts.Namespaces = slices.DeleteFunc(slices.Clone(b.opts.Namespaces), func(ns string) bool { return ns == b.opts.Namespace })
	slices.Sort(b.opts.Namespaces)
	b.opts.Namespaces = slices.Compact(b.opts.Namespaces)
	return b, nil
}

// Partial says that an update cannot be undone.
func (b *Backend) Partial() {}

// View runs fn on the state of the namespace, while no update of this backend
// runs. Each list that fn needs is asked for once, when it is first needed.
func (b *Backend) View(ctx context.Context, fn func(jettison.Stores) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.run(ctx, &state{backend: b, readOnly: true}, fn)
}

// Update runs fn on the state of the namespace, while nothing else of this
// backend reads or writes. What fn changed before it failed stays changed (rule
// D14).
func (b *Backend) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run(ctx, &state{backend: b, deleted: make(map[digest.Digest]bool)}, fn)
}

func (b *Backend) run(ctx context.Context, s *state, fn func(jettison.Stores) error) error {
	if err := ctx.Err(); err != nil { // it may have ended during the wait
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	return fn(s.stores())
}

// stores shows the state to a function.
func (s *state) stores() jettison.Stores {
	images, refs := imageStore{s}, referenceStore{s}
	return jettison.Stores{
		Images:     jettison.Images{ImageStore: images, Referrers: images, Platforms: images, Named: images, Collector: images},
		References: jettison.References{ReferenceStore: refs, Digests: refs},
		Containers: jettison.Containers{ContainerLister: containerLister{s}},
		Leases:     leaseStore{s},
	}
}

// in is the context of a call about a namespace.
func in(ctx context.Context, namespace string) context.Context {
	return namespaces.WithNamespace(ctx, namespace)
}

// errReadOnly is the error of a change attempted through a view.
var errReadOnly = class.Errorf(class.Internal, "a view cannot change the store")
