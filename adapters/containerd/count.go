package containerd

import (
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
)

// count counts what holds each piece of content and each layer: the images, the
// layers above, and at most one more for everything else.
func (g *graph) count(s *state, u *uses) {
	ids := s.ids()
	g.link()
	g.findOwned(ids)
	for _, id := range ids {
		o := g.owned[id]
		o.hold(1)
		for _, b := range o.content {
			b.images = append(b.images, id)
		}
	}
	for _, l := range g.layers {
		if l.below != nil {
			l.below.Holders++
		}
		if l.content != nil {
			l.content.holders++
		}
	}
	g.holdOutside(s, u)
}

// hold adds n holders to what an image needs.
func (o owned) hold(n int) {
	for _, b := range o.content {
		b.holders += n
	}
	for _, top := range o.tops {
		top.Holders += n
	}
}

// An outside is what something else than an image holds.
type outside struct {
	roots     []digest.Digest // with what they refer to
	flat      []digest.Digest // without that
	snapshots []snapshotKey
}

// holdOutside counts what something else than an image holds: leases, containers,
// labels that make a root, and other namespaces.
func (g *graph) holdOutside(s *state, u *uses) {
	var o outside
	for _, l := range u.leases {
		if !l.isOurs() || s.images[l.target()] == nil { // else it ends with the image
			o.addLease(l)
		}
	}
	for _, c := range u.containers {
		if c.namespace == "" {
			o.snapshots = append(o.snapshots, snapshotKey{c.Snapshotter, c.SnapshotKey})
			o.snapshots = append(o.snapshots, labelled(c.Labels)...)
		}
	}
	o.addRoots(g)
	held := make(map[digest.Digest]bool)
	maps.Copy(held, g.shared)
	for _, dgst := range o.flat {
		held[dgst] = true
	}
	for _, b := range g.reach(o.roots...) {
		held[b.digest] = true
		o.snapshots = append(o.snapshots, b.snapshots...)
	}
	for dgst := range held {
		if b := g.blobs[dgst]; b != nil {
			b.holders++
		}
	}
	g.holdSnapshots(o.snapshots)
}

// addLease adds what a lease holds.
func (o *outside) addLease(l lease) {
	o.snapshots = append(o.snapshots, l.snapshots...)
	if _, isFlat := l.Labels[gcFlat]; isFlat {
		o.flat = append(o.flat, l.content...)
	} else {
		o.roots = append(o.roots, l.content...)
	}
}

// addRoots adds what labels make a root.
func (o *outside) addRoots(g *graph) {
	for dgst, b := range g.blobs {
		if b.root {
			o.roots = append(o.roots, dgst)
		}
	}
	for key, info := range g.tree.infos {
		if isRoot(info.Labels) {
			o.snapshots = append(o.snapshots, key)
		}
	}
}

// holdSnapshots counts one more holder of the layer that each of these is or
// lies on.
func (g *graph) holdSnapshots(keys []snapshotKey) {
	g.rooted = make(map[snapshotKey]bool)
	for _, key := range keys {
		for !g.rooted[key] {
			g.rooted[key] = true
			if l := g.layers[digest.Digest(key.name)]; l != nil {
				l.Holders++
				break
			}
			info, ok := g.tree.infos[key]
			if !ok || info.Parent == "" {
				break
			}
			key.name = info.Parent
		}
	}
}

// isRoot reports whether labels make something a root of the garbage collector, or
// let it live as long as something else, which is taken to be there.
func isRoot(labels map[string]string) bool {
	for label := range labels {
		if label == gcRoot || strings.HasPrefix(label, gcBackRef) {
			return true
		}
	}
	return false
}
