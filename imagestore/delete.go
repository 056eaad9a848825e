package imagestore

import (
	"bytes"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// Delete removes the record of the image, of each layer that nothing else
// holds, and the links from its children, and returns what went (rule D12).
// Content that went is marked as garbage where marks are kept. It asks nothing about uses or references.
//
// The error is of class NotFound when there is no such image. An unreadable
// record is removed all the same (rule R5); what it held cannot be known and
// stays. So does a layer that is unreadable, with all below it.
func (s *Store) Delete(ctx context.Context, id digest.Digest) (Removed, error) {
	if err := s.writable(); err != nil {
		return Removed{}, err
	}
	img, err := s.bonds(ctx, id)
	var content []Content
	if err == nil {
		content, err = s.fill(ctx, id, img.content)
	}
	switch {
	case unreadable(err):
		img, err = &bonds{}, s.dropChildEntry(ctx, id)
	case err == nil && img.parent != "":
		err = s.tx.Delete(ctx, childKey(img.parent, id))
	}
	if err != nil {
		return Removed{}, err
	}
	if err := s.orphanChildren(ctx, id); err != nil {
		return Removed{}, err
	}
	if err := s.dropImage(ctx, id); err != nil {
		return Removed{}, err
	}
	var removed Removed
	if err := s.release(ctx, content, &removed); err != nil {
		return Removed{}, err
	}
	if err := s.releaseChain(ctx, img.layer, &removed); err != nil {
		return Removed{}, err
	}
	return removed, nil
}

// orphanChildren clears the parent of every child of the image. The record of
// a child that is unreadable or missing stays as it is.
func (s *Store) orphanChildren(ctx context.Context, id digest.Digest) error {
	children, err := s.Children(ctx, id)
	if err != nil {
		return err
	}
	for _, child := range children {
		img, err := s.image(ctx, child)
		if err == nil {
			img.Parent = ""
			err = s.putImage(ctx, img)
		}
		if err != nil && !errors.Is(err, class.NotFound) && !unreadable(err) {
			return err
		}
		if err := s.tx.Delete(ctx, childKey(id, child)); err != nil {
			return err
		}
	}
	return nil
}

// dropChildEntry removes the entry by which an image is found as a child. Its
// record cannot be read, so its parent is not known and all entries are looked
// at.
func (s *Store) dropChildEntry(ctx context.Context, id digest.Digest) error {
	suffix := []byte("/" + id)
	keys, err := keysWithSuffix(ctx, s.r, childPrefix, suffix)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.tx.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func keysWithSuffix(ctx context.Context, r kv.Reader, prefix string, suffix []byte) ([][]byte, error) {
	var keys [][]byte
	for entry, err := range r.Scan(ctx, []byte(prefix)) {
		if err != nil {
			return nil, err
		}
		if bytes.HasSuffix(entry.Key, suffix) {
			keys = append(keys, bytes.Clone(entry.Key))
		}
	}
	return keys, nil
}
