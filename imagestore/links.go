package imagestore

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
)

// ImagesWith returns the IDs of the images that have this manifest or index:
// whose ID it is, whose own manifest, or that hold it in an index. Sorted; none
// when there are none.
func (s *Store) ImagesWith(ctx context.Context, manifest digest.Digest) ([]digest.Digest, error) {
	ids, err := s.linked(ctx, manifestKey(manifest, ""))
	if err != nil {
		return nil, err
	}
	if there, err := s.has(ctx, imageKey(manifest)); err != nil || !there {
		return ids, err
	}
	ids = append(ids, manifest)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// ImagesAbout returns the IDs of the images whose record names this digest as
// their subject, sorted; none when there are none.
func (s *Store) ImagesAbout(ctx context.Context, subject digest.Digest) ([]digest.Digest, error) {
	if none, err := s.subjects.Empty(ctx); none || err != nil {
		return nil, err
	}
	return s.linked(ctx, subjectKey(subject, ""))
}

// NoneAbout reports whether no image has a subject, so that nobody need ask.
func (s *Store) NoneAbout(ctx context.Context) (bool, error) { return s.subjects.Empty(ctx) }

// Digests returns the digests by which others can be about the image: its ID,
// its manifest, and those of the manifests and indexes that it holds. Of an
// image that is unreadable only the ID is known; one that is not there has none.
func (s *Store) Digests(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	img, err := s.image(ctx, id)
	switch {
	case isMissing(err):
		return nil, nil
	case unreadable(err):
		return []digest.Digest{id}, nil
	case err != nil:
		return nil, err
	}
	if img.Manifests != nil {
		img.Indexes, err = s.indexesIn(ctx, id)
	}
	return img.Digests(), err
}

// manifests are the digests of all manifests and indexes that the image holds,
// but for its ID.
func (img Image) manifests(docs []Document) []digest.Digest {
	found := []digest.Digest{img.Manifest}
	for _, m := range img.Manifests {
		found = append(found, m.Digest)
	}
	for _, doc := range docs {
		found = append(found, doc.Digest)
	}
	return slices.DeleteFunc(found, func(d digest.Digest) bool { return d == "" || d == img.ID })
}

// linked returns the IDs that follow key of the images that are there: what an
// older program deleted has left its links.
func (s *Store) linked(ctx context.Context, key []byte) ([]digest.Digest, error) {
	var found []digest.Digest
	for entry, err := range s.r.Scan(ctx, key) {
		if err != nil {
			return nil, err
		}
		found = append(found, digest.Digest(entry.Key[len(key):]))
	}
	var ids []digest.Digest
	for _, id := range found {
		there, err := s.has(ctx, imageKey(id))
		if err != nil {
			return nil, err
		}
		if there {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// putLinks writes the entries by which the image is found by its manifests and
// its subject.
func (s *Store) putLinks(ctx context.Context, img Image, docs []Document) error {
	for _, dgst := range img.manifests(docs) {
		if err := s.tx.Put(ctx, manifestKey(dgst, img.ID), nil); err != nil {
			return err
		}
	}
	if img.Subject == "" {
		return nil
	}
	s.subjects.Put()
	return s.tx.Put(ctx, subjectKey(img.Subject, img.ID), nil)
}

// dropLinks removes them, and the documents.
func (s *Store) dropLinks(ctx context.Context, img Image) error {
	if !img.linked() {
		return nil
	}
	docs, err := s.documents(ctx, img.ID)
	if err != nil && !unreadable(err) {
		return err
	}
	var keys [][]byte
	for _, dgst := range img.manifests(docs) {
		keys = append(keys, manifestKey(dgst, img.ID))
	}
	if img.Subject != "" {
		keys = append(keys, subjectKey(img.Subject, img.ID))
	}
	if err := s.dropKeys(ctx, keys); err != nil || img.Manifests == nil {
		return err
	}
	return s.dropDocuments(ctx, img.ID)
}

// dropUnknownLinks removes every entry of an image whose record cannot be read:
// all of each kind are looked at.
func (s *Store) dropUnknownLinks(ctx context.Context, id digest.Digest) error {
	for _, prefix := range []string{childPrefix, manifestPrefix, subjectPrefix} {
		keys, err := keysWithSuffix(ctx, s.r, prefix, []byte("/"+id))
		if err != nil {
			return err
		}
		if err := s.dropKeys(ctx, keys); err != nil {
			return err
		}
	}
	return s.dropDocuments(ctx, id)
}

func (s *Store) dropKeys(ctx context.Context, keys [][]byte) error {
	for _, key := range keys {
		if err := s.tx.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
