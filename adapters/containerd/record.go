package containerd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// attested is the annotation by which BuildKit says in an index which manifest an
// attestation is about.
const attested = "vnd.docker.reference.digest"

// record makes the record of an image: what its documents say, what its labels
// refer to. Of content that is missing nothing is known; what is damaged makes
// the image unreadable. It changes nothing, so several may be made at once.
func (s *state) record(ctx context.Context, img *image) (imagestore.Image, error) {
	r := recorder{state: s, img: imagestore.Image{ID: img.id(), Parent: s.parent(img)}}
	err := r.describe(ctx, img.target)
	var damage *damageError
	switch {
	case errors.As(err, &damage):
		return imagestore.Image{}, &imagestore.UnreadableError{ID: img.id(), Err: damage}
	case err != nil:
		return imagestore.Image{}, err
	}
	o := s.graph.own(img.id())
	r.img.Content = slices.Grow(r.img.Content, len(o.content))
	for _, b := range slices.Backward(o.content) { // what is referred to comes first
		r.img.Content = append(r.img.Content, b.record())
		r.img.Size += b.size
	}
	r.img.Size += o.layerBytes()
	return r.img, nil
}

// layerBytes is what the layers were unpacked from, each piece once.
func (o owned) layerBytes() int64 {
	seen := make(map[*blob]bool)
	var n int64
	for _, top := range o.tops {
		for l := top; l != nil; l = l.below {
			if l.content != nil && !seen[l.content] {
				seen[l.content] = true
				n += l.content.size
			}
		}
	}
	return n
}

// A recorder puts a record together.
type recorder struct {
	*state
	img imagestore.Image
	// of an index: the manifests that were seen, and what the images say together.
	seen   map[digest.Digest]bool
	shared *indexdoc.Shared
}

// describe reads the target.
func (r *recorder) describe(ctx context.Context, target ocispec.Descriptor) error {
	doc, err := r.document(ctx, target)
	switch {
	case class.Is(err, class.NotFound):
		return nil // an image whose target is missing says nothing
	case err != nil:
		return err
	}
	r.about(doc)
	if doc.Manifests == nil {
		m, err := r.manifest(ctx, target.Digest, doc)
		r.img.Platform, r.img.Layer = m.platform, m.layer
		r.img.Labels = maps.Clone(m.labels)
		if m.isImage { // its configuration is asked, not the annotation
			r.img.Created = m.created
		}
		return err
	}
	r.shared = indexdoc.NewShared(r.img.Created)
	r.img.Manifests = []imagestore.Manifest{}
	r.seen = map[digest.Digest]bool{target.Digest: true}
	if err := r.index(ctx, doc, 1); err != nil {
		return err
	}
	r.img.Created, r.img.Labels = r.shared.Created, r.shared.Labels
	slices.Sort(r.img.Indexes)
	return nil
}

// about notes what the target is about, and when it says that it was made.
func (r *recorder) about(doc *document) {
	if doc.Subject != nil && doc.Subject.Digest.Validate() == nil {
		r.img.Subject = doc.Subject.Digest
	}
	if created, err := time.Parse(time.RFC3339, doc.Annotations[ocispec.AnnotationCreated]); err == nil {
		r.img.Created = created.UTC()
	}
}

// A part is what one manifest tells.
type part struct {
	platform ocispec.Platform
	created  time.Time
	labels   map[string]string
	layer    digest.Digest
	isImage  bool
}

// manifest reads the configuration of a manifest.
func (r *recorder) manifest(ctx context.Context, id digest.Digest, doc *document) (part, error) {
	p := part{layer: r.graph.top(id)}
	if doc.Config == nil || doc.Config.Digest == ocispec.DescriptorEmptyJSON.Digest {
		return p, nil
	}
	cfg, err := r.document(ctx, *doc.Config)
	switch {
	case class.Is(err, class.NotFound):
		return p, nil
	case err != nil:
		return p, err
	}
	p.isImage = cfg.RootFS != nil
	p.platform, p.labels = cfg.Platform, cfg.Labels
	if cfg.Created != nil {
		p.created = cfg.Created.UTC()
	}
	return p, nil
}

// index notes what an index lists, that of nested ones in their place.
func (r *recorder) index(ctx context.Context, doc *document, depth int) error {
	for _, desc := range doc.Manifests {
		if r.seen[desc.Digest] || depth > imagestore.MaxNesting {
			continue
		}
		r.seen[desc.Digest] = true
		listed, err := r.document(ctx, desc)
		switch {
		case class.Is(err, class.NotFound):
			r.list(desc, part{})
		case err != nil:
			return err
		case listed.Manifests != nil:
			r.img.Indexes = append(r.img.Indexes, desc.Digest)
			if err := r.index(ctx, listed, depth+1); err != nil {
				return err
			}
		default:
			p, err := r.manifest(ctx, desc.Digest, listed)
			if err != nil {
				return err
			}
			r.list(desc, p)
			if p.isImage {
				r.shared.Add(p.platform.OS, p.created, p.labels)
			}
		}
	}
	return nil
}

// list adds a manifest to those of the index.
func (r *recorder) list(desc ocispec.Descriptor, p part) {
	m := imagestore.Manifest{Digest: desc.Digest, Platform: p.platform, Layer: p.layer}
	if desc.Platform != nil {
		m.Platform = *desc.Platform
	}
	if about := digest.Digest(desc.Annotations[attested]); about.Validate() == nil {
		m.Subject = about
	}
	o := r.graph.own(r.img.ID)
	for _, b := range r.graph.reach(desc.Digest) {
		if slices.Contains(o.content, b) {
			m.Content = append(m.Content, b.record())
		}
	}
	r.img.Manifests = append(r.img.Manifests, m)
}

// top is the topmost layer that a manifest is unpacked to, or empty.
func (g *graph) top(manifest digest.Digest) digest.Digest {
	if b := g.blobs[manifest]; b != nil && b.top != nil {
		return b.top.ChainID
	}
	return ""
}
