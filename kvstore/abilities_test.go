package kvstore_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// An image that is not there has no referrers and is about nothing, whatever
// names its digest: its orphans are found from their side only (S4). When it
// comes, they are its referrers.
func TestReferrersOfNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db kv.DB) {
		s := open(t, db, nil)
		app := spec(t, "app")
		missing, gone := digest.FromBytes(app.Config), digest.FromString("gone")
		orphan := create(t, s, "orphan")
		artifact := storetest.ArtifactSpec{Name: "signature", Subject: missing}.Image()
		edit(t, s, func(tx *kvstore.Tx) error {
			_, err := tx.Images.Create(t.Context(), imagestore.Spec{Manifest: imagestore.Document{Data: artifact.Manifest}})
			must(t, err)
			must(t, tx.Tag(t.Context(), orphan, parse(t, "app:sha256-"+missing.Encoded()), refstore.AddOptions{}))
			return tx.References.AddTag(t.Context(), parse(t, "lost:sha256-"+orphan.Encoded()), gone, refstore.AddOptions{})
		})
		relations := func() (found [2][]digest.Digest) {
			edit(t, s, func(tx *kvstore.Tx) (err error) {
				found[0], err = tx.Referrers(t.Context(), missing)
				must(t, err)
				found[1], err = tx.Subjects(t.Context(), gone)
				return err
			})
			return found
		}
		if got := relations(); len(got[0])+len(got[1]) > 0 {
			t.Errorf("referrers and subjects of missing images: got %v, want none", got)
		}
		create(t, s, "app")
		want := []digest.Digest{orphan, artifact.ID()}
		slices.Sort(want)
		if diff := cmp.Diff(want, relations()[0]); diff != "" {
			t.Errorf("referrers of the image that came (-want +got):\n%s", diff)
		}
	})
}
