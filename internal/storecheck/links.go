package storecheck

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kvstore"
)

// links notes the keys by which an image is found as what others are about, and
// as what is about others.
func (j *judge) links(img imagestore.Image) {
	of := []digest.Digest{img.Manifest}
	for _, m := range img.Manifests {
		of = append(of, m.Digest)
	}
	for _, dgst := range append(of, j.documents[img.ID]...) {
		if dgst != "" && dgst != img.ID {
			j.index["manifest/"+dgst.String()+"/"+img.ID.String()] = ""
		}
	}
	if img.Subject != "" {
		j.index["subject/"+img.Subject.String()+"/"+img.ID.String()] = ""
	}
}

// readDocuments reads the documents of indexes: each is what its key says, and
// belongs to an index.
func (j *judge) readDocuments(_ context.Context, _ *kvstore.Tx) error {
	for key, value := range j.keys {
		rest, found := strings.CutPrefix(key, "index/")
		if !found {
			continue
		}
		id, text, _ := strings.Cut(rest, "/")
		r := record.Read([]byte(key), []byte(value))
		data := []byte(r.String())
		if err := r.Close(); err != nil {
			return err
		}
		dgst := digest.Digest(text)
		if dgst.Validate() != nil || dgst.Algorithm().FromBytes(data) != dgst {
			j.problem("document %q is not what its key says", key)
		}
		var index ocispec.Index
		if err := json.Unmarshal(data, &index); err != nil {
			j.problem("document %q is no index: %v", key, err)
		}
		j.documents[digest.Digest(id)] = append(j.documents[digest.Digest(id)], dgst)
		j.lists[dgst] = index.Manifests
		j.needImage(digest.Digest(id), "document "+text)
	}
	return nil
}

// compareDocuments makes sure that an index has its document and those that lie
// in it, and no others, and that its manifests are those that they list.
func (j *judge) compareDocuments(img imagestore.Image) {
	docs := j.documents[img.ID]
	if img.Manifests == nil {
		if len(docs) > 0 {
			j.problem("image %s has the documents %v, and is no index", img.ID, docs)
		}
		return
	}
	if !slices.Contains(docs, img.ID) {
		j.problem("index %s has no document", img.ID)
		return
	}
	seen := make(map[digest.Digest]bool)
	listed := j.listed(img.ID, docs, seen)
	for _, doc := range docs {
		if !seen[doc] {
			j.problem("document %s does not lie in index %s", doc, img.ID)
		}
	}
	var have []digest.Digest
	for _, m := range img.Manifests {
		have = append(have, m.Digest)
	}
	if !slices.Equal(have, listed) {
		j.problem("index %s has the manifests %v by its record, but lists %v", img.ID, have, listed)
	}
}

// listed are the manifests of a document, in order, each once, those of the
// documents in it in their place.
func (j *judge) listed(doc digest.Digest, docs []digest.Digest, seen map[digest.Digest]bool) []digest.Digest {
	seen[doc] = true
	var all []digest.Digest
	for _, desc := range j.lists[doc] {
		switch {
		case seen[desc.Digest]:
		case slices.Contains(docs, desc.Digest):
			all = append(all, j.listed(desc.Digest, docs, seen)...)
		default:
			seen[desc.Digest] = true
			all = append(all, desc.Digest)
		}
	}
	return all
}
