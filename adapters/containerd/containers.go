package containerd

import (
	"context"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// containerLister shows what uses images.
type containerLister struct{ *state }

var _ jettison.ContainerLister = containerLister{}

// Containers returns the containers that were made from the image or mount it:
// by the name that they give, by the snapshot that they write to, and by the
// snapshots that they mount.
func (s containerLister) Containers(ctx context.Context, id digest.Digest) ([]jettison.Container, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u, err := s.resolveUses(ctx)
	if err != nil {
		return nil, err
	}
	users := slices.Clone(u.users[id])
	for i := range users {
		users[i].Mounts = slices.Clone(users[i].Mounts)
	}
	return users, nil
}

// A resolved is what uses which image.
type resolved struct {
	users map[digest.Digest][]jettison.Container
	// mounts are snapshots on the layers of an image that belong to no container
	// that is known.
	mounts map[digest.Digest][]conflict.Lease
	// leases are those of other programs, by the image that they are on.
	leases map[digest.Digest][]conflict.Lease
	// bound are the snapshots that live as long as a container, by its ID.
	bound map[string][]snapshotKey
	// byTop are the images whose topmost layer it is, sorted.
	byTop map[digest.Digest][]digest.Digest
}

// resolveUses finds out which images are used, once.
func (s *state) resolveUses(ctx context.Context) (*resolved, error) {
	if s.used != nil {
		return s.used, nil
	}
	g, err := s.loadGraph(ctx)
	if err != nil {
		return nil, err
	}
	r := &resolved{
		users:  make(map[digest.Digest][]jettison.Container),
		mounts: make(map[digest.Digest][]conflict.Lease),
		leases: make(map[digest.Digest][]conflict.Lease),
		bound:  make(map[string][]snapshotKey),
		byTop:  make(map[digest.Digest][]digest.Digest),
	}
	for _, id := range s.ids() {
		for _, top := range g.own(id).tops {
			r.byTop[top.ChainID] = append(r.byTop[top.ChainID], id)
		}
	}
	s.addLeases(r)
	s.addBound(r)
	known := make(map[snapshotKey]bool)
	for _, c := range s.uses.containers {
		s.addContainer(r, c, known)
	}
	s.addSnapshots(r, known)
	s.used = r
	return r, nil
}

// addContainer notes a container with the images that it uses.
func (s *state) addContainer(r *resolved, c container, known map[snapshotKey]bool) {
	t := s.graph.tree
	if c.namespace != "" {
		t = s.uses.others[c.namespace].tree
	} else {
		known[snapshotKey{c.Snapshotter, c.SnapshotKey}] = true
	}
	made := s.origins(r, t, c)
	mounted := s.mounted(r, t, c, known)
	record := jettison.Container{ID: c.ID, Name: nameOf(c), Running: c.running, Mounts: mounted, Keeps: true}
	if c.namespace != "" {
		record.Owner = "namespace " + c.namespace
	}
	for _, id := range made {
		record.Image = id
		r.users[id] = append(r.users[id], record)
	}
	record.Image = ""
	if len(made) > 0 {
		record.Image = made[0]
	}
	for _, id := range mounted {
		if !slices.Contains(made, id) {
			r.users[id] = append(r.users[id], record)
		}
	}
}

// origins are the images that a container may have been made from. Kubernetes
// notes the very target. Else its name decides when its snapshot lies on the
// layers of what the name means now. If not, the name may have moved, or there is
// nothing to tell by: then it is what the name means, and all images with those
// layers.
func (s *state) origins(r *resolved, t *tree, c container) []digest.Digest {
	if target := digest.Digest(c.note.Metadata.ImageDigest); s.images[target] != nil {
		return []digest.Digest{target}
	}
	byName := s.meant(c, c.Image)
	if len(byName) == 0 {
		byName = s.meant(c, c.note.Metadata.ImageRef)
	}
	byLayers := r.byTop[t.base(snapshotKey{c.Snapshotter, c.SnapshotKey})]
	isOn := func(id digest.Digest) bool { return slices.Contains(byLayers, id) }
	if slices.ContainsFunc(byName, isOn) {
		return byName
	}
	return slices.Concat(byName, byLayers)
}

// meant are the images that a text means in the namespace of a container: by an ID,
// which may be the digest of the target or that of a configuration, by a record, or
// by a reference.
func (s *state) meant(c container, text string) []digest.Digest {
	if id, err := digest.Parse(text); err == nil {
		if s.images[id] != nil {
			return []digest.Digest{id}
		}
		if found := s.others("", slices.Clone(s.graph.having(id))); len(found) > 0 {
			return found
		}
	}
	if target := s.named(c, text); s.images[target] != nil {
		return []digest.Digest{target}
	}
	return nil
}

// named is the target that a record or a reference names in the namespace of a
// container, or empty.
func (s *state) named(c container, text string) digest.Digest {
	if c.namespace != "" {
		return s.uses.others[c.namespace].targets[text]
	}
	if img := s.names[text]; img != nil {
		return img.id()
	}
	if ref, ok := parseName(text); ok && s.refs[ref.String()] != nil {
		return s.refs[ref.String()].id()
	}
	return ""
}

// mounted are the images that a container mounts: those that Kubernetes notes for
// it, and those on whose layers a snapshot lies that the container holds by a
// label, or that by a label of its own lives as long as the container. Sorted,
// each once. Those of the snapshots that are in the namespace of the images are
// known then.
func (s *state) mounted(r *resolved, t *tree, c container, known map[snapshotKey]bool) []digest.Digest {
	keys := labelled(c.Labels)
	if c.namespace == "" {
		keys = append(keys, slices.DeleteFunc(slices.Clone(r.bound[c.ID]), func(key snapshotKey) bool { return key.name == c.SnapshotKey })...)
	}
	var found []digest.Digest
	for _, mount := range c.note.Metadata.Config.Mounts {
		found = append(found, s.meant(c, mount.Image.Image)...)
	}
	for _, key := range keys {
		if c.namespace == "" {
			known[key] = true
		}
		found = append(found, r.byTop[t.base(key)]...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// addBound notes the snapshots that by a label live as long as a container.
func (s *state) addBound(r *resolved) {
	for key, info := range s.graph.tree.infos {
		for label, id := range info.Labels {
			if strings.HasPrefix(label, gcContainer) {
				r.bound[id] = append(r.bound[id], key)
			}
		}
	}
}

// labelled are the snapshots that labels refer to.
func labelled(labels map[string]string) []snapshotKey {
	var keys []snapshotKey
	for label, value := range labels {
		if rest, ok := strings.CutPrefix(label, gcRefSnapshot); ok {
			name, _, _ := strings.Cut(rest, "/")
			keys = append(keys, snapshotKey{name, value})
		}
	}
	return keys
}

// addSnapshots notes the snapshots that lie on an image's layers and belong to no
// container of the list. Docker keeps a container that does not run as a
// snapshot, on one that it prepares for it, with a lease of the same name; any
// other is taken for a mount. One that nothing holds is none: containerd takes it
// with the next garbage.
func (s *state) addSnapshots(r *resolved, known map[snapshotKey]bool) {
	holders := make(map[snapshotKey]string)
	for _, l := range s.uses.leases {
		for _, key := range l.snapshots {
			holders[key] = l.ID
		}
	}
	running := make(map[string]bool)
	for _, c := range s.uses.containers {
		running[c.ID] = running[c.ID] || c.namespace == "" && c.running
	}
	t := s.graph.tree
	for key, info := range t.infos {
		if info.Kind == snapshots.KindCommitted || known[key] || !s.graph.rooted[key] {
			continue
		}
		lease := holders[key]
		for _, id := range r.byTop[t.base(key)] {
			if lease == key.name && t.isInit(key) {
				r.users[id] = append(r.users[id], jettison.Container{ID: key.name, Image: id, Running: running[key.name], Keeps: true})
				continue
			}
			r.mounts[id] = append(r.mounts[id], mountOf(key, lease))
		}
	}
}

// mountOf is a mount as a use of an image.
func mountOf(key snapshotKey, lease string) conflict.Lease {
	owner := key.snapshotter + "/" + key.name
	if lease != "" && lease != key.name {
		owner += " of lease " + lease
	}
	return conflict.Lease{ID: "snapshot " + owner, Kind: conflict.LeaseMount, Owner: owner}
}

// nameOf is what people call a container, if the labels tell.
func nameOf(c container) string {
	if name := c.Labels["nerdctl/name"]; name != "" {
		return name
	}
	return c.Labels["io.kubernetes.container.name"]
}
