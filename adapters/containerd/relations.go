package containerd

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

var _ jettison.ReferrerStore = imageStore{}

// relations are which images are about which.
type relations struct {
	subjects map[digest.Digest]digest.Digest   // what an image is about by its manifest
	about    map[digest.Digest][]digest.Digest // images that are about a digest
}

// Referrers returns the images that are about the image, sorted: by the subject
// of their manifest, or by a tag of the referrers tag schema.
func (s imageStore) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	r, err := s.relate(ctx)
	if err != nil || s.images[id] == nil {
		return nil, err
	}
	found := slices.Clone(r.about[id])
	for _, b := range s.graph.own(id).content {
		found = append(found, r.about[b.digest]...)
	}
	return s.others(id, found), nil
}

// Subjects returns the images that the image is about, sorted.
func (s imageStore) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	r, err := s.relate(ctx)
	if err != nil || s.images[id] == nil {
		return nil, err
	}
	var found []digest.Digest
	for _, subject := range r.of(s.state, id) {
		found = append(found, s.graph.having(subject)...)
		found = append(found, subject) // though its target be missing
	}
	return s.others(id, found), nil
}

// others are the images among those found that are there, each once, sorted,
// without the image itself.
func (s *state) others(id digest.Digest, found []digest.Digest) []digest.Digest {
	slices.Sort(found)
	found = slices.DeleteFunc(slices.Compact(found), func(other digest.Digest) bool {
		return other == id || s.images[other] == nil
	})
	return found
}

// of are the digests that an image is about: by its manifest, and by the tags that
// it still has.
func (r *relations) of(s *state, id digest.Digest) []digest.Digest {
	var found []digest.Digest
	if subject, ok := r.subjects[id]; ok {
		found = append(found, subject)
	}
	for _, n := range s.images[id].refs {
		if subject, ok := refstore.SubjectOf(n.ref); ok {
			found = append(found, subject)
		}
	}
	return found
}

// relate finds out which images are about which, once. A target is read for it
// only when nothing of it is unpacked: what can be run is about nothing.
func (s *state) relate(ctx context.Context) (*relations, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.about != nil {
		return s.about, nil
	}
	if _, err := s.loadGraph(ctx); err != nil {
		return nil, err
	}
	r := &relations{
		subjects: make(map[digest.Digest]digest.Digest),
		about:    make(map[digest.Digest][]digest.Digest),
	}
	if err := s.addSubjects(ctx, r); err != nil {
		return nil, err
	}
	for _, id := range s.ids() {
		for _, subject := range r.of(s, id) {
			r.about[subject] = append(r.about[subject], id)
		}
	}
	s.about = r
	return r, nil
}

// addSubjects notes what the targets say that they are about; they are read several
// at once. One that is missing or damaged is about nothing that can be known.
func (s *state) addSubjects(ctx context.Context, r *relations) error {
	var asked []*image
	for id, img := range s.images {
		if len(s.graph.own(id).tops) == 0 {
			asked = append(asked, img)
		}
	}
	var mu sync.Mutex
	return several(ctx, len(asked), func(ctx context.Context, i int) error {
		doc, err := s.document(ctx, asked[i].target)
		if err == nil && doc.Subject != nil && doc.Subject.Digest.Validate() == nil {
			mu.Lock()
			defer mu.Unlock()
			r.subjects[asked[i].id()] = doc.Subject.Digest
		}
		if class.Is(err, class.Unavailable) {
			return err
		}
		return nil
	})
}
