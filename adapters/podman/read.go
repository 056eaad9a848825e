package podman

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// Config returns the configuration of the image, byte for byte; not verified. The
// error is of class NotFound when there is no such image, or when it has no
// configuration that can be read, as a manifest list. Otherwise it is that of View.
func (s *Store) Config(ctx context.Context, image digest.Digest) (data []byte, err error) {
	err = s.view(ctx, func(st *state) error {
		img, err := st.image(image)
		if err != nil {
			return err
		}
		if data, err = st.document(img, image.String()); err != nil {
			return class.Errorf(class.NotFound, "configuration of image %s: %w", image, err)
		}
		return nil
	})
	return data, err
}
