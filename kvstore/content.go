package kvstore

import (
	"context"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/kv"
)

// HoldsContent reports whether an image or a layer holds the content. It does
// not look into the record, which may be damaged.
func (tx *Tx) HoldsContent(ctx context.Context, content digest.Digest) (bool, error) {
	return tx.has(ctx, "content/"+content.String())
}

// IsGarbage reports whether the bytes of the content are to be removed: they
// are marked so and nothing holds the content.
func (tx *Tx) IsGarbage(ctx context.Context, content digest.Digest) (bool, error) {
	held, err := tx.HoldsContent(ctx, content)
	if err != nil || held {
		return false, err
	}
	return tx.has(ctx, "garbage/"+content.String())
}

func (tx *Tx) has(ctx context.Context, key string) (bool, error) {
	_, err := tx.r.Get(ctx, []byte(key))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
