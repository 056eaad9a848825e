package containerd

import (
	"strings"

	"github.com/opencontainers/go-digest"
)

// count counts what holds each piece of content and each layer: the images, the
// layers above, and at most one more for everything else.
func (g *graph) count(s *state, u *uses) {
	ids := s.ids()
	g.unpacked(ids)
	g.needed(ids)
	for _, id := range ids {
		g.hold(g.owned[id], 1)
		for _, dgst := range g.owned[id].content {
			g.having[dgst] = append(g.having[dgst], id)
		}
	}
	for _, l := range g.layers {
		if below := g.layers[l.Parent]; below != nil {
			below.Holders++
		}
		if l.content != "" {
			g.held[l.content]++
		}
	}
	g.holdOutside(s, u)
}

// hold adds n holders to what an image needs.
func (g *graph) hold(o owned, n int) {
	for _, dgst := range o.content {
		g.held[dgst] += n
	}
	for _, top := range o.tops {
		g.layers[top].Holders += n
	}
}

// holdOutside counts what something else than an image holds: leases, containers,
// labels that make a root, and other namespaces.
func (g *graph) holdOutside(s *state, u *uses) {
	var roots []digest.Digest
	var snapshots []snapshotKey
	flat := make(map[digest.Digest]bool)
	for _, l := range u.leases {
		if l.isOurs() && s.images[l.target()] != nil {
			continue // it ends with the image
		}
		snapshots = append(snapshots, l.snapshots...)
		if _, isFlat := l.Labels[gcFlat]; !isFlat {
			roots = append(roots, l.content...)
			continue
		}
		for _, dgst := range l.content {
			flat[dgst] = true
		}
	}
	for _, c := range u.containers {
		if c.namespace == "" {
			snapshots = append(snapshots, snapshotKey{c.Snapshotter, c.SnapshotKey})
			snapshots = append(snapshots, labelled(c.Labels)...)
		}
	}
	for dgst, b := range g.blobs {
		if b.root {
			roots = append(roots, dgst)
		}
	}
	for key, info := range g.tree.infos {
		if isRoot(info.Labels) {
			snapshots = append(snapshots, key)
		}
	}
	outside := flat
	g.reach(roots, func(dgst digest.Digest, b *blob) {
		outside[dgst] = true
		snapshots = append(snapshots, b.snapshots...)
	})
	for dgst := range g.shared {
		outside[dgst] = true
	}
	for dgst := range outside {
		if g.blobs[dgst] != nil {
			g.held[dgst]++
		}
	}
	g.holdSnapshots(snapshots)
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
