package containerd

import (
	"context"
	"strings"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/gc"
	"golang.org/x/mod/semver"

	"github.com/jettison-oci/jettison/internal/class"
)

// Services are the parts of containerd that a [Backend] works with. A client of
// a daemon has all of them ([FromClient]); so has a process that embeds containerd's
// metadata store, as the example of [New] shows.
//
// All of them take the namespace from the context of a call, and must be safe
// for concurrent use.
type Services struct {
	// Images are the names, each with its target. Required.
	Images images.Store
	// Content has the blobs. Required.
	Content content.Store
	// Leases are what others hold, and where the leases of this package are kept.
	// Required.
	Leases leases.Manager
	// Snapshotter returns the snapshotter of this name, or nil when there is none.
	// Nil means that nothing is unpacked.
	Snapshotter func(name string) snapshots.Snapshotter
	// Containers use images. Nil means that there are none.
	Containers containers.Store
	// Tasks knows which of them run. Nil means that none does.
	Tasks Tasks
	// Namespaces lists the namespaces. Content is shared among them: a blob that
	// another one has stays on disk. Nil means that there is one alone.
	Namespaces Namespaces
	// Garbage collects garbage. Nil means that a daemon does it, when a lease is
	// deleted synchronously.
	Garbage Garbage
	// Version is that of the daemon, such as "1.6.20" or "v2.1.4"; empty for one
	// that can do all that this package knows of.
	Version string
}

// Namespaces lists namespaces. It is the part of [namespaces.Store] that is
// needed.
type Namespaces interface {
	// List returns the names of all namespaces.
	List(ctx context.Context) ([]string, error)
}

// Garbage collects garbage; a [metadata.DB] does.
type Garbage interface {
	// GarbageCollect removes the content and the snapshots that nothing refers to,
	// and returns when they are gone.
	GarbageCollect(ctx context.Context) (gc.Stats, error)
}

// check says what is missing.
func (s Services) check() error {
	if s.Images == nil || s.Content == nil || s.Leases == nil {
		return class.Errorf(class.InvalidArgument, "containerd: services of images, content and leases are required")
	}
	return nil
}

// comparesTargets reports whether the daemon deletes a name only if it has the
// target that is expected. Before 2.0 it knows no such thing, and must be asked
// for the target first.
func (s Services) comparesTargets() bool { return s.since("v2.0.0-0") }

// collectsRecords reports whether the daemon removes a record of an image that
// has expired, once the container that it refers back to is gone.
func (s Services) collectsRecords() bool { return s.since("v2.2.0-0") }

func (s Services) since(version string) bool {
	if s.Version == "" {
		return true
	}
	have := "v" + strings.TrimPrefix(s.Version, "v")
	return semver.IsValid(have) && semver.Compare(have, version) >= 0
}
