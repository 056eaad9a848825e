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
// Content that went is marked as garbage where marks are kept. It asks nothing
// about uses or references.
//
// The error is of class NotFound when there is no such image. An unreadable
// record is removed all the same (rule R5); what it held cannot be known and
// stays. So does a layer that is unreadable, with all below it.
func (s *Store) Delete(ctx context.Context, id digest.Digest) (Removed, error) {
	if err := s.writable(); err != nil {
		return Removed{}, err
	}
	held, err := s.bonds(ctx, id)
	img := held.image(id)
	if err == nil {
		img.Content, err = s.fill(ctx, id, held.content)
	}
	switch {
	case unreadable(err):
		img, err = Image{ID: id}, s.dropUnknownLinks(ctx, id)
	case err == nil:
		err = s.unlink(ctx, img)
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
	return s.releaseImage(ctx, img)
}

// unlink removes the entries by which an image is found.
func (s *Store) unlink(ctx context.Context, img Image) error {
	if img.Parent != "" {
		if err := s.tx.Delete(ctx, childKey(img.Parent, img.ID)); err != nil {
			return err
		}
	}
	return s.dropLinks(ctx, img)
}

// releaseImage takes the image's hold of its content and of its layers.
func (s *Store) releaseImage(ctx context.Context, img Image) (Removed, error) {
	var removed Removed
	if err := s.release(ctx, img.Content, &removed); err != nil {
		return Removed{}, err
	}
	for _, chain := range img.Chains() {
		if err := s.releaseChain(ctx, chain, &removed); err != nil {
			return Removed{}, err
		}
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
