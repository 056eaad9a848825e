package containerd

import (
	"context"
	"maps"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A state is the namespace as one View or Update sees it. The names are listed
// when it begins, everything else once, when it is first asked for: what uses
// images is thus looked at after the images.
type state struct {
	backend  *Backend
	readOnly bool

	images map[digest.Digest]*image // by target
	names  map[string]*image        // by name
	refs   map[string]*image        // by reference, in full
	// children are the images that say that they were built from another, some of
	// which may have gone since.
	children map[digest.Digest][]digest.Digest

	graph *graph
	uses  *uses
	used  *resolved
	about *relations

	unwritten map[digest.Digest]*document // of a state that is to come

	measured int // layers that were measured one by one

	// deleted are the images that this update deleted, and reported is what else it
	// told to have gone.
	deleted  map[digest.Digest]bool
	reported []digest.Digest
}

// load lists the images.
func (s *state) load(ctx context.Context) error {
	records, err := s.backend.listImages(s.here(ctx))
	if err != nil {
		return err
	}
	s.index(records)
	return nil
}

// records are those of all images.
func (s *state) records() []images.Image {
	var all []images.Image
	for _, img := range s.images {
		for _, record := range img.records {
			all = append(all, *record)
		}
	}
	return all
}

// here is the context of a call about the namespace of the images.
func (s *state) here(ctx context.Context) context.Context { return in(ctx, s.backend.opts.Namespace) }

// image returns the image with this target.
func (s *state) image(ctx context.Context, id digest.Digest) (*image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	img, ok := s.images[id]
	if !ok {
		return nil, class.Errorf(class.NotFound, "image %s does not exist", id)
	}
	return img, nil
}

// document reads a manifest, an index or a configuration. The errors are those of
// [Backend.document].
func (s *state) document(ctx context.Context, desc ocispec.Descriptor) (*document, error) {
	if doc := s.unwritten[desc.Digest]; doc != nil {
		return doc, ctx.Err()
	}
	return s.backend.document(ctx, desc)
}

// write makes sure that something may be changed.
func (s *state) write(ctx context.Context) error {
	if s.readOnly {
		return errReadOnly
	}
	return ctx.Err()
}

// ids are the targets, sorted.
func (s *state) ids() []digest.Digest { return slices.Sorted(maps.Keys(s.images)) }

// parent is the image that this one was built from, if it is there.
func (s *state) parent(img *image) digest.Digest {
	if s.images[img.parent] == nil {
		return ""
	}
	return img.parent
}
