package imagestore

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

// A Document is a manifest or an index as it lies in a registry.
type Document struct {
	// Digest names it; empty means its SHA-256.
	Digest digest.Digest
	// Data is all of it.
	Data []byte
}

// named returns the document with its digest, if it is what that says.
func (d Document) named() (Document, error) {
	if d.Digest == "" {
		d.Digest = digest.FromBytes(d.Data)
		return d, nil
	}
	if err := d.Digest.Validate(); err != nil {
		return d, class.Errorf(class.InvalidArgument, "document %q: %w", d.Digest, err)
	}
	if got := d.Digest.Algorithm().FromBytes(d.Data); got != d.Digest {
		return d, class.Errorf(class.InvalidArgument, "document %s has the digest %s", d.Digest, got)
	}
	return d, nil
}

// Document returns an index, or one that lies in an index, as it was given to
// [Store.CreateIndex] or made by [Store.Replace]. The documents of indexes are
// kept among the records, because taking a platform out writes a new one in the
// same transaction; they are no content. The error is of class NotFound when no
// image has such a document.
func (s *Store) Document(ctx context.Context, dgst digest.Digest) ([]byte, error) {
	ids, err := s.ImagesWith(ctx, dgst)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		key := indexKey(id, dgst)
		value, err := s.r.Get(ctx, key)
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		doc, err := decodeDocument(key, value)
		return doc.Data, err
	}
	return nil, class.Errorf(class.NotFound, "no index has the document %s", dgst)
}

// Documents yields the documents of all indexes. Errors are those of
// [Store.All].
func (s *Store) Documents(ctx context.Context) iter.Seq2[Document, error] {
	return walk(ctx, s.r, indexPrefix, decodeDocument)
}

// documents returns those of one image. Its own is not always the first.
func (s *Store) documents(ctx context.Context, id digest.Digest) ([]Document, error) {
	var docs []Document
	for doc, err := range walk(ctx, s.r, string(indexKey(id, "")), decodeDocument) {
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// indexesIn returns the digests of the indexes that lie in an index, sorted.
// Documents that cannot be read are there too.
func (s *Store) indexesIn(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	var found []digest.Digest
	prefix := indexKey(id, "")
	for entry, err := range s.r.Scan(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if dgst := digest.Digest(entry.Key[len(prefix):]); dgst != id {
			found = append(found, dgst)
		}
	}
	return found, nil
}

func (s *Store) putDocuments(ctx context.Context, id digest.Digest, docs []Document) error {
	for _, doc := range docs {
		key := indexKey(id, doc.Digest)
		w := record.NewWriter()
		w.String(string(doc.Data))
		if err := s.tx.Put(ctx, key, w.Seal(key)); err != nil {
			return err
		}
	}
	return nil
}

// dropDocuments removes the documents of an image, also damaged ones.
func (s *Store) dropDocuments(ctx context.Context, id digest.Digest) error {
	keys, err := keysWithSuffix(ctx, s.r, string(indexKey(id, "")), nil)
	if err != nil {
		return err
	}
	return s.dropKeys(ctx, keys)
}

func decodeDocument(key, value []byte) (Document, error) {
	id, dgst, _ := strings.Cut(string(key[len(indexPrefix):]), "/")
	r := record.Read(key, value)
	doc := Document{Digest: digest.Digest(dgst), Data: []byte(r.String())}
	err := r.Close()
	if err == nil {
		if _, wrong := doc.named(); wrong != nil {
			err = record.Damaged(key, wrong.Error())
		}
	}
	if err != nil {
		return Document{}, &UnreadableError{ID: digest.Digest(id), Err: err}
	}
	return doc, nil
}
