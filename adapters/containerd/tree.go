package containerd

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// A snapshotKey names a snapshot of a snapshotter.
type snapshotKey struct{ snapshotter, name string }

// A tree is the snapshots of the namespace, of every snapshotter that something
// is known to be unpacked by.
type tree struct {
	infos        map[snapshotKey]snapshots.Info
	snapshotters []string // those that there are, sorted
}

// walkSnapshots walks the snapshotters of these names, sorted, each once, in the
// context's namespace. One that the daemon does not have has no snapshots.
func (b *Backend) walkSnapshots(ctx context.Context, names []string) (*tree, error) {
	t := &tree{infos: make(map[snapshotKey]snapshots.Info)}
	for _, name := range names {
		store := b.snapshotter(name)
		if store == nil {
			continue
		}
		err := store.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
			t.infos[snapshotKey{name, info.Name}] = info
			return nil
		})
		if isNoSnapshotter(err) {
			continue
		}
		if err != nil {
			return nil, failed("walk snapshots of "+name, err)
		}
		t.snapshotters = append(t.snapshotters, name)
	}
	return t, nil
}

func (b *Backend) snapshotter(name string) snapshots.Snapshotter {
	if b.services.Snapshotter == nil || name == "" {
		return nil
	}
	return b.services.Snapshotter(name)
}

// isNoSnapshotter reports whether an error says that there is no snapshotter of
// this name, rather than that it failed.
func isNoSnapshotter(err error) bool {
	return errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) || errdefs.IsNotImplemented(err)
}

// snapshotters are the names of the snapshotters that content, containers and
// leases speak of, sorted, each once.
func snapshotters(g *graph, u *uses) []string {
	var names []string
	for _, b := range g.blobs {
		for _, key := range b.snapshots {
			names = append(names, key.snapshotter)
		}
	}
	for _, c := range u.containers {
		if c.namespace == "" {
			names = append(names, c.Snapshotter)
		}
	}
	for _, l := range u.leases {
		for _, key := range l.snapshots {
			names = append(names, key.snapshotter)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// first returns the first of these snapshots that is there.
func (t *tree) first(keys []snapshotKey) snapshotKey {
	for _, key := range keys {
		if _, ok := t.infos[key]; ok {
			return key
		}
	}
	return snapshotKey{}
}

// chain returns the chain IDs of a snapshot and those below, base to top. It is
// empty when one of them is no committed snapshot that is named so.
func (t *tree) chain(top snapshotKey) []digest.Digest {
	var chain []digest.Digest
	for key := top; key.name != ""; {
		info, ok := t.infos[key]
		id, err := digest.Parse(key.name)
		if !ok || err != nil || info.Kind != snapshots.KindCommitted || len(chain) > len(t.infos) {
			return nil
		}
		chain = append(chain, id)
		key.name = info.Parent
	}
	slices.Reverse(chain)
	return chain
}

// base returns the chain ID that a snapshot lies on: that of the nearest one
// below it that is named by a digest; empty when there is none.
func (t *tree) base(key snapshotKey) digest.Digest {
	for range len(t.infos) {
		key.name = t.infos[key].Parent
		if key.name == "" {
			return ""
		}
		if id, err := digest.Parse(key.name); err == nil {
			return id
		}
	}
	return ""
}

// isInit reports whether a snapshot lies on one that Docker prepares for a
// container and not for a mount.
func (t *tree) isInit(key snapshotKey) bool { return strings.HasSuffix(t.infos[key].Parent, "-init") }
