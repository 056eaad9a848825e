package containerd_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
)

// slow holds up what is looked at side by side until the context ends, and knows
// which calls have begun and not returned.
type slow struct {
	mu      sync.Mutex
	waiting map[string]bool
	// fails is the call that fails, when all others wait; empty for none.
	fails string
	all   sync.WaitGroup // of those that wait
}

// wait is a call.
func (s *slow) wait(ctx context.Context, name string) error {
	if name == s.fails {
		s.all.Wait()
		return errLost
	}
	s.mu.Lock()
	s.waiting[name] = true
	s.mu.Unlock()
	s.all.Done()
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, name)
	return ctx.Err()
}

// noImages are the names of an empty namespace.
type noImages struct{ images.Store }

func (noImages) List(context.Context, ...string) ([]images.Image, error) { return nil, nil }

type slowContent struct {
	content.Store
	s *slow
}

func (c slowContent) Walk(ctx context.Context, _ content.WalkFunc, _ ...string) error {
	return c.s.wait(ctx, "content")
}

type slowLeases struct {
	leases.Manager
	s *slow
}

func (l slowLeases) List(ctx context.Context, _ ...string) ([]leases.Lease, error) {
	return nil, l.s.wait(ctx, "leases")
}

type slowContainers struct {
	containers.Store
	s *slow
}

func (c slowContainers) List(ctx context.Context, _ ...string) ([]containers.Container, error) {
	return nil, c.s.wait(ctx, "containers")
}

type slowNamespaces struct{ s *slow }

func (n slowNamespaces) List(ctx context.Context) ([]string, error) {
	return nil, n.s.wait(ctx, "namespaces")
}

// Content, leases, containers and namespaces are looked at side by side. When one
// of the looks fails, or the context ends, all of them end, and nothing goes on
// behind the call.
func TestLooksEndTogether(t *testing.T) {
	looks := []string{"content", "leases", "containers", "namespaces"}
	for _, fails := range append(looks, "") {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{waiting: make(map[string]bool), fails: fails}
			s.all.Add(len(looks))
			if fails != "" {
				s.all.Done()
			}
			backend, err := containerd.New(containerd.Services{
				Images: noImages{}, Content: slowContent{s: s}, Leases: slowLeases{s: s},
				Containers: slowContainers{s: s}, Namespaces: slowNamespaces{s},
			}, nil)
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if fails == "" {
				go func() { s.all.Wait(); cancel() }()
			}
			_, err = jettison.New(backend, nil).PlanPrune(ctx, jettison.PruneOptions{All: true})
			if !errors.Is(err, jettison.ErrUnavailable) || errors.Is(err, errLost) != (fails != "") {
				t.Errorf("%q fails: got %v", fails, err)
			}
			if len(s.waiting) > 0 {
				t.Errorf("%q fails: %v go on", fails, s.waiting)
			}
		})
	}
}
