package imagestore

import (
	"bytes"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/check"
)

// loadDocuments reads the documents of indexes. One that cannot be read is
// removed, and so is its index.
func (s *auditor) loadDocuments(ctx context.Context) error {
	for entry, err := range s.r.Scan(ctx, []byte(indexPrefix)) {
		if err != nil {
			return err
		}
		image, name, ok := parseLink(entry.Key, indexPrefix)
		if !ok {
			s.unknown(entry.Key)
			continue
		}
		doc, err := decodeDocument(entry.Key, entry.Value)
		if err == nil && doc.Digest == name {
			s.documents[image] = append(s.documents[image], doc)
			continue
		}
		s.Remove(entry.Key)
		s.Found(check.Finding{
			Kind: check.UnreadableRecord, Key: string(entry.Key),
			Problem: problemOf(err), Repair: "the document is removed; load the index again",
		}, image)
	}
	return nil
}

// parseLink returns the two digests in a key.
func parseLink(key []byte, prefix string) (first, second digest.Digest, ok bool) {
	a, b, ok := bytes.Cut(key[len(prefix):], []byte("/"))
	first, second = digest.Digest(a), digest.Digest(b)
	return first, second, ok && first.Validate() == nil && second.Validate() == nil
}

// hasDocument reports whether an index has its own document; other images need
// none.
func (s *auditor) hasDocument(img *auditImage) bool {
	return img.Manifests == nil || slices.ContainsFunc(s.documents[img.ID], func(doc Document) bool { return doc.Digest == img.ID })
}

// checkLinks makes the entries by which images are found by their manifests and
// subjects agree with their records, and removes the documents of what is no
// index.
func (s *auditor) checkLinks(ctx context.Context) error {
	wanted := make(map[string]digest.Digest)
	for id := range s.Images {
		img := s.images[id]
		for _, dgst := range img.manifests(s.documents[id]) {
			wanted[string(manifestKey(dgst, id))] = id
		}
		if img.Subject != "" {
			wanted[string(subjectKey(img.Subject, id))] = id
		}
	}
	for _, prefix := range []string{manifestPrefix, subjectPrefix} {
		if err := s.checkLinkEntries(ctx, prefix, wanted); err != nil {
			return err
		}
	}
	for key, id := range wanted {
		s.Put([]byte(key), nil)
		s.Found(check.Finding{
			Kind: check.MissingEntry, Key: key,
			Problem: "the image is not found by this manifest or subject, so that what is about an image would be taken for an orphan",
			Repair:  "the entry is written",
		}, id)
	}
	for image, docs := range s.documents {
		if img := s.images[image]; s.Images[image] && img.Manifests != nil {
			continue
		}
		for _, doc := range docs {
			s.removeLink(indexKey(image, doc.Digest), image, "it is the document of an index that is not there")
		}
	}
	return nil
}

// checkLinkEntries takes from wanted the entries that are there, and removes the
// others.
func (s *auditor) checkLinkEntries(ctx context.Context, prefix string, wanted map[string]digest.Digest) error {
	for entry, err := range s.r.Scan(ctx, []byte(prefix)) {
		if err != nil {
			return err
		}
		_, image, ok := parseLink(entry.Key, prefix)
		switch _, want := wanted[string(entry.Key)]; {
		case !ok:
			s.unknown(entry.Key)
		case want:
			delete(wanted, string(entry.Key))
		default:
			s.removeLink(entry.Key, image, "it finds an image by a manifest or subject that the image does not have")
		}
	}
	return nil
}

// removeLink removes an entry. It is damage unless its image goes.
func (s *auditor) removeLink(key []byte, image digest.Digest, problem string) {
	s.Remove(key)
	if !s.Gone[image] {
		s.Found(check.Finding{Kind: check.StrayEntry, Key: string(key), Problem: problem, Repair: "the entry is removed"})
	}
}
