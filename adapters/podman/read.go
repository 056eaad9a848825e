package podman

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// Config returns the configuration of the image, byte for byte; not verified. The
// error is of class NotFound when there is no such image, or when it has no
// configuration, as a manifest list.
func (s *Store) Config(ctx context.Context, image digest.Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	id, ok := imageID(image.Encoded())
	if !ok || id != image {
		return nil, class.Errorf(class.NotFound, "image %s does not exist", image)
	}
	data, err := s.store.ImageBigData(id.Encoded(), id.String())
	if err != nil {
		return nil, class.Errorf(class.NotFound, "configuration of image %s: %w", image, err)
	}
	return data, nil
}
