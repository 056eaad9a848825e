package imagestore

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// Touch notes that the image was used at this time, unless a later use is
// known (rule P10). Errors are those of [Store.Get].
func (s *Store) Touch(ctx context.Context, id digest.Digest, at time.Time) error {
	if err := s.writable(); err != nil {
		return err
	}
	img, err := s.image(ctx, id)
	if err != nil || !at.After(img.LastUsed) {
		return err
	}
	img.LastUsed = at
	return s.putImage(ctx, img)
}
