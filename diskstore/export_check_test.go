package diskstore

import (
	"context"

	"github.com/jettison-oci/jettison/kv"
)

// ViewRecords shows the records as they are stored.
func (s *Store) ViewRecords(ctx context.Context, fn func(kv.Reader) error) error {
	return s.db.View(ctx, fn)
}
