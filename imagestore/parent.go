package imagestore

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// SetParent makes parent the parent of the image, in place of the one it had;
// the empty digest clears it. Setting the parent it has is no error.
//
// The error is of class NotFound when the image or the parent is not there, and
// of class InvalidArgument when the image would become its own ancestor. An
// unreadable record on the way up is an [*UnreadableError].
func (s *Store) SetParent(ctx context.Context, id, parent digest.Digest) error {
	if err := s.writable(); err != nil {
		return err
	}
	img, err := s.image(ctx, id)
	if err != nil || img.Parent == parent {
		return err
	}
	if err := s.checkParent(ctx, id, parent); err != nil {
		return err
	}
	if img.Parent != "" {
		if err := s.tx.Delete(ctx, childKey(img.Parent, id)); err != nil {
			return err
		}
	}
	img.Parent = parent
	return s.putChild(ctx, img)
}

// putLinked writes the record of an image and all the entries by which it is
// found.
func (s *Store) putLinked(ctx context.Context, img Image, docs ...Document) error {
	if err := s.putLinks(ctx, img, docs); err != nil {
		return err
	}
	return s.putChild(ctx, img)
}

// putChild writes the record of an image and its entry as a child.
func (s *Store) putChild(ctx context.Context, img Image) error {
	if err := s.putImage(ctx, img); err != nil || img.Parent == "" {
		return err
	}
	s.children.Put()
	return s.tx.Put(ctx, childKey(img.Parent, img.ID), nil)
}

// checkParent returns an error unless parent is there and id is not among its
// ancestors. An ancestor that is not there ends the line.
func (s *Store) checkParent(ctx context.Context, id, parent digest.Digest) error {
	seen := make(map[digest.Digest]bool)
	for at := parent; at != "" && !seen[at]; {
		if at == id {
			return class.Errorf(class.InvalidArgument, "image %s cannot have itself as an ancestor", id)
		}
		seen[at] = true
		ancestor, err := s.bonds(ctx, at)
		if errors.Is(err, class.NotFound) && at == parent {
			return class.Errorf(class.NotFound, "unknown parent image ID %s", parent)
		}
		if err != nil && !errors.Is(err, class.NotFound) {
			return err
		}
		at = ancestor.parent
	}
	return nil
}
