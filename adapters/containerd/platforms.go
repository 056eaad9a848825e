package containerd

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

var _ jettison.PlatformStore = imageStore{}

// Without returns the image that removing these of its manifests would make.
func (s imageStore) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	made, err := s.without(ctx, id, manifests)
	if err != nil {
		return imagestore.Image{}, err
	}
	later, err := s.after(s.images[id], made)
	if err != nil {
		return imagestore.Image{}, err
	}
	return later.record(ctx, later.images[made.target.Digest])
}

// after is the state as it will be when an index has become another one: the same
// names and content, and what is new.
func (s *state) after(old *image, made *rewritten) (*state, error) {
	later := &state{backend: s.backend, readOnly: true, uses: s.uses, unwritten: make(map[digest.Digest]*document)}
	var records []images.Image
	for _, img := range s.images {
		for _, named := range img.records {
			record := *named
			if img == old {
				record = retargeted(record, made.target)
			}
			records = append(records, record)
		}
	}
	later.index(records)
	later.graph = newGraph()
	for dgst, b := range s.graph.blobs {
		later.graph.blobs[dgst] = b.uncounted()
	}
	for _, b := range made.blobs {
		info := content.Info{Digest: b.digest, Size: int64(len(b.data)), Labels: b.labels}
		later.graph.blobs[b.digest] = newBlob(info)
		doc, err := parseDocument(b.data)
		if err != nil {
			return nil, class.Errorf(class.Internal, "index %s: %w", b.digest, err)
		}
		later.unwritten[b.digest] = doc
	}
	later.graph.tree, later.graph.shared = s.graph.tree, s.graph.shared
	later.graph.count(later, s.uses)
	return later, nil
}

// retargeted is a record that names another target. That of Docker for an image
// without a name has another name then.
func retargeted(record images.Image, target ocispec.Descriptor) images.Image {
	record.Target = target
	if isDangling(record.Name) {
		record.Name = danglingPrefix + target.Digest.String()
	}
	return record
}

// without writes the index anew, in memory.
func (s imageStore) without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (*rewritten, error) {
	record, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if record.Manifests == nil {
		return nil, class.Errorf(class.InvalidArgument, "image %s is no index of several platforms", id)
	}
	for _, dgst := range manifests {
		if !slices.ContainsFunc(record.Manifests, func(m imagestore.Manifest) bool { return m.Digest == dgst }) {
			return nil, class.Errorf(class.NotFound, "image %s has no manifest %s", id, dgst)
		}
	}
	if !slices.ContainsFunc(record.Manifests, func(m imagestore.Manifest) bool { return !slices.Contains(manifests, m.Digest) }) {
		return nil, class.Errorf(class.InvalidArgument, "image %s would be left without manifests", id)
	}
	made := &rewritten{target: s.images[id].target, became: make(map[digest.Digest]indexdoc.Change)}
	for _, dgst := range manifests {
		made.became[dgst] = indexdoc.Change{}
	}
	now, err := made.rewrite(ctx, s.state, made.target, 1)
	made.target.Digest, made.target.Size = now.Digest, now.Size
	return made, err
}

// Replace writes the index without these manifests and lets every name of the old
// one name it. A lease keeps what is new until it has a name; should it be left
// behind, it ends by itself.
func (s imageStore) Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	var none imagestore.Removed
	if err := s.write(ctx); err != nil {
		return imagestore.Image{}, none, err
	}
	made, err := s.without(ctx, id, manifests)
	if err != nil {
		return imagestore.Image{}, none, err
	}
	before := s.graph
	lease, err := s.backend.services.Leases.Create(s.here(ctx), leases.WithID(ourPrefix+"replace-"+rand.Text()), leases.WithExpiration(time.Hour))
	if err != nil {
		return imagestore.Image{}, none, failed("take a lease", err)
	}
	err = s.rename(leases.WithLease(ctx, lease.ID), s.images[id], made)
	if ended := s.takeBack(ctx, lease); err == nil {
		err = ended
	}
	if err != nil {
		return imagestore.Image{}, none, err
	}
	next, err := s.reload(ctx, made.target.Digest)
	if err != nil {
		return imagestore.Image{}, none, err
	}
	return next, s.lostSince(before, id), nil
}

// rename writes what is new, and changes the target of each name.
func (s imageStore) rename(ctx context.Context, img *image, made *rewritten) error {
	for _, blob := range made.blobs {
		if err := s.writeBlob(s.here(ctx), blob); err != nil {
			return failed("write "+blob.digest.String(), err)
		}
	}
	for _, record := range img.records {
		if err := s.retarget(ctx, img, *record, made.target); err != nil {
			return err
		}
	}
	return s.moveChildren(ctx, img.id(), made.target.Digest)
}

// writeBlob writes content, unless it is there. It does not wait for another
// program that writes it too, nor for a daemon that is gone: both are Unavailable.
func (s imageStore) writeBlob(ctx context.Context, blob newBlobData) error {
	desc := ocispec.Descriptor{Digest: blob.digest, Size: int64(len(blob.data))}
	w, err := s.backend.services.Content.Writer(ctx, content.WithRef(ourPrefix+blob.digest.String()), content.WithDescriptor(desc))
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = content.Copy(ctx, w, bytes.NewReader(blob.data), desc.Size, desc.Digest, content.WithLabels(blob.labels))
	if closed := w.Close(); err == nil {
		err = closed
	}
	return err
}

// retarget lets a name that has the image as its target name another one. The
// record of Docker for an image without a name has another name then.
func (s imageStore) retarget(ctx context.Context, img *image, record images.Image, target ocispec.Descriptor) error {
	name := record.Name
	now, err := s.backend.services.Images.Get(s.here(ctx), name)
	if err != nil {
		return failed("look at "+name, err)
	}
	if now.Target.Digest != img.id() {
		return class.Errorf(class.Conflict, "containerd: %s no longer names %s", name, img.id())
	}
	record = retargeted(record, target)
	if isDangling(name) {
		if _, err := s.create(ctx, record); err != nil {
			return err
		}
		return s.removeName(ctx, img, name)
	}
	_, err = s.backend.services.Images.Update(s.here(ctx), record, "target")
	return failed("let "+name+" name "+target.Digest.String(), err)
}

// moveChildren lets the children of an image name another one as their parent.
func (s imageStore) moveChildren(ctx context.Context, from, to digest.Digest) error {
	children, err := s.Children(ctx, from)
	if err != nil {
		return err
	}
	for _, id := range children {
		for _, name := range s.images[id].sorted() {
			record := images.Image{Name: name, Labels: map[string]string{parentLabel: to.String()}}
			if _, err := s.backend.services.Images.Update(s.here(ctx), record, "labels."+parentLabel); err != nil {
				return failed("move child "+name, err)
			}
		}
	}
	return nil
}

// reload looks at everything again and returns the record of an image.
func (s imageStore) reload(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	s.graph, s.uses, s.used, s.about = nil, nil, nil, nil
	if err := s.load(ctx); err != nil {
		return imagestore.Image{}, err
	}
	return s.Get(ctx, id)
}

// lostSince is what an image had that nothing has any more.
func (s imageStore) lostSince(before *graph, id digest.Digest) imagestore.Removed {
	var gone imagestore.Removed
	lose := func(b *blob) {
		if now := s.graph.blobs[b.digest]; now == nil || now.holders == 0 {
			gone.Content = append(gone.Content, imagestore.Content{Digest: b.digest, Size: b.size})
			s.reported = append(s.reported, b.digest)
		}
	}
	o := before.own(id)
	for _, b := range slices.Backward(o.content) {
		lose(b)
	}
	for i, top := range o.tops {
		for l := top; l != nil; l = l.below {
			now := s.graph.layers[l.ChainID]
			if now != nil && now.Holders > 0 || l.isBelow(o.tops[i+1:]) { // it goes with the last that holds it (D12)
				break
			}
			gone.Layers = append(gone.Layers, l.Layer)
			s.reported = append(s.reported, l.ChainID)
			if l.content != nil {
				lose(l.content)
			}
		}
	}
	return gone
}

// isBelow reports whether the layer is one of these, or under one of them.
func (l *layer) isBelow(tops []*layer) bool {
	return slices.ContainsFunc(tops, func(above *layer) bool {
		for above != nil && above != l {
			above = above.below
		}
		return above != nil
	})
}
