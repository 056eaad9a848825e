// Package imagestore keeps the records of images, of their parents and of
// their layers, counted, in a key-value store.
//
// It holds what deletion has to know and nothing else: no file systems and no
// bytes of content. Both are named here by digest and counted, so that whoever
// keeps the bytes learns which of them go with an image (rule D12).
//
// An image holds its topmost layer and its own content; a layer holds the
// layer below and its content. Whatever is held by nothing goes. On request
// (see [NewMarking]), content that went leaves a mark until its bytes are
// removed too.
//
// A [Store] lives in one transaction of a kv.DB and ends with it. Errors are of
// one class each: NotFound for what is not there, InvalidArgument for what can
// never be, Internal for a damaged record ([*UnreadableError], rule E3) or a
// write in a transaction that only reads; those of the engine come back as
// they are. A method that fails after it began to write leaves the transaction
// to be dropped.
package imagestore

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/kv"
)

// A Store is the images of one transaction. It must not be used after the
// transaction nor by several goroutines, and must not be written to while one
// of its walks runs. It need not see what else writes its keys in the same
// transaction.
type Store struct {
	r  kv.Reader
	tx kv.Tx // nil when the transaction only reads

	cache    cache          // nothing else writes these records
	children *prefix.Prefix // whether any image has a parent
	subjects *prefix.Prefix // whether any image is about another
	marks    bool           // content that goes leaves a mark of garbage
	marked   []digest.Digest

	keyBuffer []byte
}

// NewReader returns the images that r sees. Methods that write fail with an
// error of class Internal.
func NewReader(r kv.Reader) *Store {
	return &Store{r: r, cache: newCache(), children: prefix.New(r, childPrefix), subjects: prefix.New(r, subjectPrefix)}
}

// New returns the images that tx sees, to be changed through tx. Content that
// goes leaves no trace: whoever calls learns of it from [Store.Delete].
func New(tx kv.Tx) *Store {
	s := NewReader(tx)
	s.tx, s.cache.images = tx, make(map[digest.Digest]*bonds)
	return s
}

// NewMarking is [New] for who keeps the bytes of content in another place: what
// goes leaves a mark of garbage in the same transaction, until its bytes are
// removed too (see [Store.Garbage]).
func NewMarking(tx kv.Tx) *Store {
	s := New(tx)
	s.marks = true
	return s
}

// Get returns the record of the image with this ID. The error is of class
// NotFound when there is none, and an [*UnreadableError] when it, or the record
// of content that it keeps, cannot be understood.
func (s *Store) Get(ctx context.Context, id digest.Digest) (Image, error) {
	img, err := s.image(ctx, id)
	if err != nil {
		return Image{}, err
	}
	return s.withContent(ctx, img)
}

// Search returns the IDs that begin with prefix, sorted. A prefix is
// "algorithm:" and hex digits, or hex digits alone, which are looked for under
// sha256, sha384 and sha512. No match is no error; the empty prefix matches
// all of these algorithms. Records are not read, so unreadable ones are found
// too (rules R3 and R5).
func (s *Store) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	var ids []digest.Digest
	for _, full := range fullPrefixes(prefix) {
		for entry, err := range s.r.Scan(ctx, []byte(imagePrefix+full)) {
			if err != nil {
				return nil, err
			}
			ids = append(ids, idOf(entry.Key, imagePrefix))
		}
	}
	return ids, nil
}

// Children returns the IDs of the images whose parent is id, sorted; none when
// there are none or no such image.
func (s *Store) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	if none, err := s.children.Empty(ctx); none || err != nil {
		return nil, err
	}
	return s.childrenOf(ctx, id)
}

func (s *Store) childrenOf(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	var children []digest.Digest
	key := childKey(id, "")
	for entry, err := range s.r.Scan(ctx, key) {
		if err != nil {
			return nil, err
		}
		children = append(children, digest.Digest(entry.Key[len(key):]))
	}
	return children, nil
}

// All yields every image, sorted by ID. An unreadable record is yielded as its
// [*UnreadableError], and the walk goes on; any other error ends it.
func (s *Store) All(ctx context.Context) iter.Seq2[Image, error] {
	return walk(ctx, s.r, imagePrefix, func(key, value []byte) (Image, error) {
		img, err := decodeImage(key, value)
		if err != nil {
			return Image{}, err
		}
		return s.withContent(ctx, img)
	})
}

// image returns the record of an image as it is stored, its content by digest
// alone. The content is not to be changed.
func (s *Store) image(ctx context.Context, id digest.Digest) (Image, error) {
	key := s.imageKey(id)
	value, err := s.r.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return Image{}, class.Errorf(class.NotFound, "unrecognized image ID %s", id)
	}
	if err != nil {
		return Image{}, err
	}
	img, err := readImage(id, key, value)
	if err == nil {
		s.cache.keepImage(img)
	}
	return img, err
}

// bonds returns what an image holds and is tied to, which is not to be changed.
func (s *Store) bonds(ctx context.Context, id digest.Digest) (*bonds, error) {
	if known, ok := s.cache.images[id]; ok {
		return known, ctx.Err()
	}
	img, err := s.image(ctx, id)
	return img.bonds(), err
}

// putImage writes the record of an image.
func (s *Store) putImage(ctx context.Context, img Image) error {
	key := s.imageKey(img.ID)
	s.cache.keepImage(img)
	return s.tx.Put(ctx, key, encodeImage(key, img))
}

// dropImage removes the record of an image.
func (s *Store) dropImage(ctx context.Context, id digest.Digest) error {
	delete(s.cache.images, id)
	return s.tx.Delete(ctx, s.imageKey(id))
}

// withContent completes the content of an image with sizes and holders.
func (s *Store) withContent(ctx context.Context, img Image) (Image, error) {
	content, err := s.fill(ctx, img.ID, img.Content)
	if err != nil {
		return Image{}, err
	}
	img.Content = content
	if img.Manifests == nil {
		return img, nil
	}
	if img.Indexes, err = s.indexesIn(ctx, img.ID); err != nil {
		return Image{}, err
	}
	img.Manifests = slices.Clone(img.Manifests)
	for i, m := range img.Manifests {
		if img.Manifests[i].Content, err = s.fill(ctx, img.ID, m.Content); err != nil {
			return Image{}, err
		}
	}
	return img, nil
}

// writable returns an error when the transaction only reads.
func (s *Store) writable() error {
	if s.tx == nil {
		return class.Errorf(class.Internal, "write to images in a read-only transaction")
	}
	return nil
}

// walk yields what decode makes of every entry whose key begins with prefix. It
// goes on after unreadable records and ends after any other error.
func walk[T any](ctx context.Context, r kv.Reader, prefix string, decode func(key, value []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for entry, err := range r.Scan(ctx, []byte(prefix)) {
			var item T
			if err == nil {
				item, err = decode(entry.Key, entry.Value)
			}
			if !yield(item, err) || err != nil && !unreadable(err) {
				return
			}
		}
	}
}
