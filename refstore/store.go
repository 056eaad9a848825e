// Package refstore keeps which reference names which image, in both directions,
// in a key-value store.
//
// A reference is a normalized name with a tag or with a digest, never with
// both. Every method takes familiar forms too: "app" means
// "docker.io/library/app:latest", and "app:1@sha256:…" means "app@sha256:…"
// (rule R6). An image has any number of references; it need not be in any image
// store.
//
// A [Store] lives in one transaction of a kv.DB and ends with it. Errors are of
// one class each: NotFound for a reference that is not there, Conflict for one
// that names another image, InvalidArgument for one that can never be, Internal
// for a damaged record, whose key the text names (rule E3), or a write in a
// transaction that only reads; those of the engine come back as they are. A
// method that fails after it began to write leaves the transaction to be
// dropped.
package refstore

import (
	"context"
	"errors"
	"iter"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

// A Store is the references of one transaction. It must not be used after the
// transaction nor by several goroutines, and must not be written to while one
// of its walks runs.
type Store struct {
	r      kv.Reader
	tx     kv.Tx // nil when the transaction only reads
	parser parser
	about  *prefix.Prefix // whether any tag is of the referrers tag schema

	keyBuffer []byte
}

// NewReader returns the references that r sees. Methods that write fail with an
// error of class Internal.
func NewReader(r kv.Reader) *Store { return &Store{r: r, about: prefix.New(r, aboutPrefix)} }

// New returns the references that tx sees, to be changed through tx.
func New(tx kv.Tx) *Store { return &Store{r: tx, tx: tx, about: prefix.New(tx, aboutPrefix)} }

// Get returns the ID of the image that ref names. The error is of class
// NotFound when there is no such reference.
func (s *Store) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	name, err := normalize(ref)
	if err != nil {
		return "", err
	}
	return s.get(ctx, name)
}

// References returns the references to the image, sorted by their full string;
// none when there are none.
func (s *Store) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	var refs []reference.Named
	start := s.idKey(id, "")
	for entry, err := range s.r.Scan(ctx, start) {
		if err != nil {
			return nil, err
		}
		ref, err := s.parser.parse(entry.Key, len(start))
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Repository returns the references with the name of this repository, whatever
// its own tag or digest, sorted by their full string; none when there are none.
func (s *Store) Repository(ctx context.Context, name reference.Named) ([]Association, error) {
	full, err := normalize(name)
	if err != nil {
		return nil, err
	}
	repo := refKey(full.repository())
	var found []Association
	for _, separator := range []byte{':', '@'} {
		for a, err := range s.scan(ctx, append(repo, separator)) {
			if err != nil {
				return nil, err
			}
			found = append(found, a)
		}
	}
	return found, nil
}

// All yields every reference, sorted by its full string. It ends after the
// first error.
func (s *Store) All(ctx context.Context) iter.Seq2[Association, error] {
	return s.scan(ctx, []byte(refPrefix))
}

// scan yields the references whose key begins with prefix.
func (s *Store) scan(ctx context.Context, start []byte) iter.Seq2[Association, error] {
	return func(yield func(Association, error) bool) {
		for entry, err := range s.r.Scan(ctx, start) {
			var a Association
			if err == nil {
				a, err = s.association(entry)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) association(entry kv.Entry) (Association, error) {
	id, err := decode(entry.Key, entry.Value)
	if err != nil {
		return Association{}, err
	}
	ref, err := s.parser.parse(entry.Key, len(refPrefix))
	if err != nil {
		return Association{}, err
	}
	return Association{Ref: ref, ID: id}, nil
}

// get returns the ID that a reference in normal form names.
func (s *Store) get(ctx context.Context, name normal) (digest.Digest, error) {
	key := s.refKey(name)
	value, err := s.r.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return "", class.Errorf(class.NotFound, "reference %s does not exist", name)
	}
	if err != nil {
		return "", err
	}
	return decode(key, value)
}

// writable returns an error when the transaction only reads.
func (s *Store) writable() error {
	if s.tx == nil {
		return class.Errorf(class.Internal, "write to references in a read-only transaction")
	}
	return nil
}

// Where the records lie, so that each question is one lookup or one short scan.
const (
	refPrefix = "ref/"   // ref/<reference>: record of the ID
	idPrefix  = "idref/" // idref/<id>/<reference>: empty

	aboutPrefix = "about/" // about/<digest>/<reference>: empty; the tag says what its image is about
)

func aboutKey(subject digest.Digest, name normal) []byte {
	return []byte(aboutPrefix + string(subject) + "/" + string(name))
}

func refKey(name normal) []byte { return []byte(refPrefix + name) }

func idKey(id digest.Digest, name normal) []byte {
	return []byte(idPrefix + id.String() + "/" + string(name))
}

// A deletion needs many keys, so a Store builds them all in one buffer: each is
// good until the next one.

func (s *Store) refKey(name normal) []byte {
	s.keyBuffer = append(append(s.keyBuffer[:0], refPrefix...), name...)
	return s.keyBuffer
}

// idKey is the key of a reference of an image; without a name, the prefix of
// those of all.
func (s *Store) idKey(id digest.Digest, name normal) []byte {
	s.keyBuffer = append(append(s.keyBuffer[:0], idPrefix...), id...)
	s.keyBuffer = append(append(s.keyBuffer, '/'), name...)
	return s.keyBuffer
}

func encode(key []byte, id digest.Digest) []byte {
	w := record.NewWriter()
	w.Digest(id)
	return w.Seal(key)
}

func decode(key, value []byte) (digest.Digest, error) {
	r := record.Read(key, value)
	id := r.Digest()
	return id, r.Close()
}
