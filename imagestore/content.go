package imagestore

import (
	"context"
	"errors"
	"iter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// Contents yields all content that an image or a layer holds, sorted by digest.
// An unreadable record is yielded as its [*UnreadableError], and the walk goes
// on; any other error ends it.
func (s *Store) Contents(ctx context.Context) iter.Seq2[Content, error] {
	return walk(ctx, s.r, contentPrefix, decodeContent)
}

// Garbage yields the digests of the content whose bytes are still to be
// removed, sorted.
func (s *Store) Garbage(ctx context.Context) iter.Seq2[digest.Digest, error] {
	return walk(ctx, s.r, garbagePrefix, func(key, _ []byte) (digest.Digest, error) {
		return idOf(key, garbagePrefix), nil
	})
}

// MarkGarbage notes that the bytes of this content are to be removed, unless a
// [Store.Create] takes it before. Content that something holds is skipped, also
// when its record is unreadable. Marking twice is no error.
func (s *Store) MarkGarbage(ctx context.Context, digests ...digest.Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	for _, dgst := range digests {
		_, err := s.r.Get(ctx, s.contentKey(dgst))
		if errors.Is(err, kv.ErrNotFound) {
			err = s.mark(ctx, dgst)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mark leaves a mark of garbage.
func (s *Store) mark(ctx context.Context, dgst digest.Digest) error {
	s.marked = append(s.marked, dgst)
	return s.tx.Put(ctx, s.garbageKey(dgst), nil)
}

// Marked returns the content that was marked as garbage through this Store, in
// the order of the marks: what to look at once the transaction is durable. Some
// of it may be held again by then.
func (s *Store) Marked() []digest.Digest { return s.marked }

// ClearGarbage notes that the bytes of this content have been removed. Clearing
// what is not marked is no error.
func (s *Store) ClearGarbage(ctx context.Context, digests ...digest.Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	for _, dgst := range digests {
		if err := s.tx.Delete(ctx, s.garbageKey(dgst)); err != nil {
			return err
		}
	}
	return nil
}

// content returns the record of content; one that is not there is unreadable,
// because something names it.
func (s *Store) content(ctx context.Context, dgst digest.Digest) (Content, error) {
	if c, ok := s.cache.contents[dgst]; ok {
		return c, ctx.Err()
	}
	key := s.contentKey(dgst)
	value, err := s.r.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return Content{}, missing(dgst, key)
	}
	if err != nil {
		return Content{}, err
	}
	c, err := readContent(dgst, key, value)
	if err == nil {
		s.cache.keepContent(c)
	}
	return c, err
}

// putContent writes the record of content.
func (s *Store) putContent(ctx context.Context, c Content) error {
	key := s.contentKey(c.Digest)
	s.cache.keepContent(c)
	return s.tx.Put(ctx, key, encodeContent(key, c))
}

// fill returns contents, given by digest, with sizes and holders. When one is
// unreadable, so is the record of their owner.
func (s *Store) fill(ctx context.Context, owner digest.Digest, contents []Content) ([]Content, error) {
	if len(contents) == 0 {
		return nil, nil
	}
	full := make([]Content, len(contents))
	for i, c := range contents {
		var err error
		if full[i], err = s.content(ctx, c.Digest); err != nil {
			return nil, ofOwner(owner, err)
		}
	}
	return full, nil
}

// ofOwner makes unreadable content an unreadable record of whoever holds it.
func ofOwner(owner digest.Digest, err error) error {
	var u *UnreadableError
	if errors.As(err, &u) {
		return &UnreadableError{ID: owner, Err: u.Err}
	}
	return err
}

// hold adds a holder to each piece of content, once however often it is
// listed, and keeps it from being removed as garbage.
func (s *Store) hold(ctx context.Context, descs ...ocispec.Descriptor) ([]Content, error) {
	var held []Content
	for _, desc := range descs {
		if contains(held, desc.Digest) {
			continue
		}
		c, err := s.holdOne(ctx, desc)
		if err != nil {
			return nil, err
		}
		held = append(held, c)
	}
	return held, nil
}

func (s *Store) holdOne(ctx context.Context, desc ocispec.Descriptor) (Content, error) {
	key := s.contentKey(desc.Digest)
	c := Content{Digest: desc.Digest, Size: desc.Size}
	value, err := s.r.Get(ctx, key)
	if err == nil {
		c, err = readContent(desc.Digest, key, value)
	}
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return Content{}, err
	}
	if c.Size != desc.Size {
		return Content{}, class.Errorf(class.InvalidArgument,
			"content %s has %d bytes, not %d", desc.Digest, c.Size, desc.Size)
	}
	c.Holders++
	if err := s.putContent(ctx, c); err != nil {
		return Content{}, err
	}
	if !s.marks {
		return c, nil
	}
	return c, s.tx.Delete(ctx, s.garbageKey(desc.Digest))
}

// release takes a holder from each piece of content, adds to removed those that
// nothing else holds, and updates the holders in contents.
func (s *Store) release(ctx context.Context, contents []Content, removed *Removed) error {
	for i := range contents {
		c := &contents[i]
		c.Holders = max(c.Holders-1, 0)
		var err error
		if c.Holders > 0 {
			err = s.putContent(ctx, *c)
		} else {
			removed.Content = append(removed.Content, *c)
			err = s.discard(ctx, c.Digest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// discard removes the record of content that nothing holds, and marks it as
// garbage where marks are kept.
func (s *Store) discard(ctx context.Context, dgst digest.Digest) error {
	delete(s.cache.contents, dgst)
	if err := s.tx.Delete(ctx, s.contentKey(dgst)); err != nil || !s.marks {
		return err
	}
	return s.mark(ctx, dgst)
}

// contains reports whether the digest is that of one of the contents.
func contains(contents []Content, dgst digest.Digest) bool {
	for _, c := range contents {
		if c.Digest == dgst {
			return true
		}
	}
	return false
}

// HoldsContent reports whether an image or a layer holds the content. It does
// not look into the record, which may be damaged.
func (s *Store) HoldsContent(ctx context.Context, content digest.Digest) (bool, error) {
	return s.has(ctx, s.contentKey(content))
}

// IsGarbage reports whether the bytes of the content are to be removed: they
// are marked so and nothing holds the content.
func (s *Store) IsGarbage(ctx context.Context, content digest.Digest) (bool, error) {
	held, err := s.HoldsContent(ctx, content)
	if err != nil || held {
		return false, err
	}
	return s.has(ctx, s.garbageKey(content))
}

func (s *Store) has(ctx context.Context, key []byte) (bool, error) {
	_, err := s.r.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
