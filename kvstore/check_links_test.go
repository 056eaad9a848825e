package kvstore_test

import (
	"bytes"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// linked is a store with an index, what is about it, and a tag that says so.
func linked(t *testing.T) (kv.DB, *kvstore.Store, digest.Digest) {
	t.Helper()
	db := memkv.New()
	s := open(t, db, nil)
	multi := storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{{Name: "a", Layers: []string{"os", "a"}}, {Name: "b", Layers: []string{"os", "b"}}}}.Image()
	err := s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		spec := imagestore.IndexSpec{Documents: []imagestore.Document{{Data: multi.Index}}}
		for _, part := range multi.Images {
			spec.Manifests = append(spec.Manifests, imagestore.Spec{
				Config: part.Config, Manifest: imagestore.Document{Data: part.Manifest},
				Layers: part.LayerDescriptors(), Content: part.OwnDescriptors(),
			})
		}
		if _, err := tx.CreateIndex(t.Context(), spec); err != nil {
			return err
		}
		sig := storetest.ArtifactSpec{Name: "sig", Subject: multi.Images[0].ManifestDigest()}.Image()
		if _, err := tx.CreateImage(t.Context(), imagestore.Spec{Manifest: imagestore.Document{Data: sig.Manifest}, Content: sig.OwnDescriptors()}); err != nil {
			return err
		}
		return tx.Tag(t.Context(), sig.ID(), parse(t, "multi:sha256-"+multi.ID().Encoded()+".sig"), refstore.AddOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, s, multi.ID()
}

// C1, C4: a sound index with referrers has no finding; an entry that is lost is
// found and written again, and one that is too many is removed.
func TestCheckLinks(t *testing.T) {
	for _, prefix := range []string{"", "manifest/", "subject/", "about/", "index/"} {
		t.Run("without "+prefix, func(t *testing.T) {
			db, s, multi := linked(t)
			if prefix != "" {
				dropFirst(t, db, prefix)
			}
			found, err := kvstore.Check(t.Context(), db, kvstore.CheckOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(found); (got == 0) != (prefix == "") {
				t.Fatalf("findings: %v", found)
			}
			if _, err := kvstore.Repair(t.Context(), db, kvstore.RepairOptions{}); err != nil {
				t.Fatal(err)
			}
			if found, err = kvstore.Check(t.Context(), db, kvstore.CheckOptions{}); err != nil || len(found) > 0 {
				t.Errorf("after the repair: %v, %v", found, err)
			}
			about := referrers(t, s, multi)
			if lost := prefix == "index/"; lost != (len(about) == 0) {
				t.Errorf("referrers after the repair: %v", about)
			}
		})
	}
}

func referrers(t *testing.T, s *kvstore.Store, id digest.Digest) (found []digest.Digest) {
	t.Helper()
	err := s.Read(t.Context(), func(tx *kvstore.Tx) (err error) {
		if _, err = tx.Images.Get(t.Context(), id); err != nil {
			return nil //nolint:nilerr // it went
		}
		found, err = tx.Referrers(t.Context(), id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// dropFirst removes the first key that begins so.
func dropFirst(t *testing.T, db kv.DB, prefix string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		var first []byte
		for entry, err := range tx.Scan(t.Context(), []byte(prefix)) {
			if err != nil {
				return err
			}
			first = bytes.Clone(entry.Key)
			break
		}
		return tx.Delete(t.Context(), first)
	})
	if err != nil {
		t.Fatal(err)
	}
}
