package kvstore_test

import (
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// The keys that package imagestore writes are those that are asked for.
func TestContentIsHeldThenGarbage(t *testing.T) { // D12
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, &kvstore.Options{MarkGarbage: true})
		content := digest.FromString("content")
		is := func(held, garbage bool) {
			t.Helper()
			must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
				gotHeld, err := tx.Images.HoldsContent(t.Context(), content)
				must(t, err)
				gotGarbage, err := tx.Images.IsGarbage(t.Context(), content)
				if gotHeld != held || gotGarbage != garbage {
					t.Errorf("got held %t, garbage %t, want %t and %t", gotHeld, gotGarbage, held, garbage)
				}
				return err
			}))
		}
		is(false, false)
		edit(t, s, func(tx *kvstore.Tx) error { return tx.Images.MarkGarbage(t.Context(), content) })
		is(false, true)
		want := spec(t, "app")
		want.Content = []ocispec.Descriptor{{Digest: content, Size: 7}}
		var id digest.Digest
		edit(t, s, func(tx *kvstore.Tx) error {
			image, err := tx.Images.Create(t.Context(), want)
			id = image.ID
			return err
		})
		is(true, false)
		edit(t, s, func(tx *kvstore.Tx) error {
			_, err := tx.DeleteImage(t.Context(), id)
			return err
		})
		is(false, true)
	})
}
