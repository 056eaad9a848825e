package imagestore

import (
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A Spec says what image to make.
type Spec struct {
	// Config is the image configuration as it lies in a registry (OCI image
	// specification, config.md; Docker's too). The image's ID is its SHA-256. Nil
	// makes an artifact, such as a signature: its ID is the digest of Manifest,
	// and it has no layers.
	Config []byte
	// Manifest is the image's manifest, if it is known. By its digest others are
	// about the image, and its subject is the image's.
	Manifest Document
	// Parent is the ID of the image this one was built from, or empty.
	Parent digest.Digest
	// Layers are the content of the layers, base to top: one for each diff ID
	// of the configuration, or none where the store keeps no content. Digest
	// and Size matter.
	Layers []ocispec.Descriptor
	// Content is what the image keeps besides its layers, such as its
	// configuration and its manifest. Digest and Size matter.
	Content []ocispec.Descriptor
}

// Create makes an image and returns its record, as [Store.Get] would. It takes
// a hold of the layers, making those that are not there, and of the content,
// which is garbage no more. Content listed twice is held once. A layer that is
// there keeps the content it has, be it compressed in another way.
//
// An image that is there is returned as it is, but for its parent and its
// manifest: when it has none, it gets that of the Spec, the manifest only if it
// keeps that one as content.
//
// The error is of class InvalidArgument when the configuration, a digest or a
// size is malformed, a size contradicts what is known of the content, or the
// numbers of layers do not fit; of class NotFound when the parent is not there.
func (s *Store) Create(ctx context.Context, spec Spec) (Image, error) {
	if err := s.writable(); err != nil {
		return Image{}, err
	}
	img, links, err := parse(spec)
	if err != nil {
		return Image{}, err
	}
	old, err := s.Get(ctx, img.ID)
	if err == nil {
		return s.adopt(ctx, old, img)
	}
	if !errors.Is(err, class.NotFound) {
		return Image{}, err
	}
	if err := s.checkParent(ctx, img.ID, spec.Parent); err != nil {
		return Image{}, err
	}
	return s.insert(ctx, img, links, spec.Content)
}

// adopt gives an image that is there what it lacks and made has.
func (s *Store) adopt(ctx context.Context, img, made Image) (Image, error) {
	if img.Manifest == "" && contains(img.Content, made.Manifest) {
		img.Manifest, img.Subject = made.Manifest, made.Subject
		if err := s.putLinked(ctx, img); err != nil {
			return Image{}, err
		}
	}
	if img.Parent != "" || made.Parent == "" {
		return img, nil
	}
	if err := s.SetParent(ctx, img.ID, made.Parent); err != nil {
		return Image{}, err
	}
	img.Parent = made.Parent
	return img, nil
}

// insert writes an image that is not there. Its own content is held last, so
// that the holders in the record returned are the final ones.
func (s *Store) insert(ctx context.Context, img Image, links chain, own []ocispec.Descriptor) (Image, error) {
	content, err := s.holdChain(ctx, links)
	if err != nil {
		return Image{}, err
	}
	if img.Content, err = s.hold(ctx, own...); err != nil {
		return Image{}, err
	}
	content = append(content, img.Content...)
	if img.Size, err = s.size(ctx, content); err != nil {
		return Image{}, err
	}
	err = s.putLinked(ctx, img)
	img.Content = slices.Clone(img.Content) // the cache has the other
	return img, err
}

// size is the number of bytes of the content, each piece counted once. Content
// without a holder is that of a layer that was there, known by digest alone.
func (s *Store) size(ctx context.Context, contents []Content) (int64, error) {
	var n int64
	seen := make(map[digest.Digest]bool, len(contents))
	for _, c := range contents {
		if seen[c.Digest] {
			continue
		}
		seen[c.Digest] = true
		if c.Holders == 0 {
			var err error
			if c, err = s.content(ctx, c.Digest); err != nil {
				return 0, err
			}
		}
		n += c.Size
	}
	return n, nil
}
