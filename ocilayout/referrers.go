package ocilayout

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/refstore"
)

var _ jettison.ReferrerStore = images{}

// Referrers returns the IDs of the images that are about the image, sorted: by
// the subject in their manifest, or by a tag of the referrers tag schema.
func (s images) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	img, err := s.related(ctx, id)
	if err != nil || img == nil {
		return nil, err
	}
	found := slices.Clone(s.tx.about[img.id])
	for _, t := range img.trees {
		for _, n := range t.nodes {
			found = append(found, s.tx.about[n.desc.Digest]...)
		}
	}
	return s.others(img, found, func(other *image) bool { return s.tx.isAbout(other, img) }), nil
}

// Subjects returns the IDs of the images that the image is about, sorted.
func (s images) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	img, err := s.related(ctx, id)
	if err != nil || img == nil {
		return nil, err
	}
	var found []digest.Digest
	for _, subject := range s.tx.subjectsOf(img) {
		found = append(found, s.tx.having[subject]...)
	}
	return s.others(img, found, func(*image) bool { return true }), nil
}

// related returns an image, or nil, and makes sure that it is known which images
// are about which.
func (s images) related(ctx context.Context, id digest.Digest) (*image, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, err := s.tx.image(ctx, id)
	if err == nil && s.tx.about == nil {
		s.tx.relate()
	}
	return img, err
}

// others returns the images among those found that are still there and fit, each
// once, sorted, without the image itself.
func (s images) others(img *image, found []digest.Digest, fits func(*image) bool) []digest.Digest {
	slices.Sort(found)
	return slices.DeleteFunc(slices.Compact(found), func(id digest.Digest) bool {
		other := s.tx.images[id]
		return other == nil || other == img || !fits(other)
	})
}

// relate notes which images are about a digest, or were when a tag said so, and
// which have it.
func (g *graph) relate() {
	g.about, g.having = make(map[digest.Digest][]digest.Digest), make(map[digest.Digest][]digest.Digest)
	for id, img := range g.images {
		for _, subject := range g.subjectsOf(img) {
			g.about[subject] = append(g.about[subject], id)
		}
		g.having[id] = append(g.having[id], id)
		for _, t := range img.trees {
			for _, n := range t.nodes {
				g.having[n.desc.Digest] = append(g.having[n.desc.Digest], id)
			}
		}
	}
}

// isAbout reports whether an image is about another.
func (g *graph) isAbout(img, subject *image) bool {
	return slices.ContainsFunc(g.subjectsOf(img), subject.has)
}

// subjectsOf are the digests that an image is about.
func (g *graph) subjectsOf(img *image) []digest.Digest {
	var found []digest.Digest
	for _, t := range img.trees {
		if t.root.subject != "" {
			found = append(found, t.root.subject)
		}
	}
	for _, target := range img.targets {
		for _, ref := range g.names.references(target) {
			if subject, ok := refstore.SubjectOf(ref); ok {
				found = append(found, subject)
			}
		}
	}
	return found
}

// has reports whether the image, its manifest or its index is of this digest, or
// lists it.
func (img *image) has(dgst digest.Digest) bool {
	return img.id == dgst || slices.ContainsFunc(img.trees, func(t *tree) bool { return t.has(dgst) })
}
