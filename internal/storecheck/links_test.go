package storecheck_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// multi is an index with an index in it, and signature is about its first
// manifest.
func multi() (index, signature storetest.Image) {
	index = storetest.IndexSpec{
		Name:    "multi",
		Images:  []storetest.Spec{{Name: "a", Layers: []string{"os", "a"}}, {Name: "b", Layers: []string{"os", "b"}}},
		Indexes: []storetest.IndexSpec{{Name: "inner", Images: []storetest.Spec{{Name: "c", Layers: []string{"os", "b"}}}}},
	}.Image()
	return index, storetest.ArtifactSpec{Name: "signature", Subject: index.Images[0].ManifestDigest()}.Image()
}

// linked is a store with both, and a tag that says that the signature is about
// the index too.
func linked(t testing.TB) kv.DB {
	t.Helper()
	db := memkv.New()
	s, err := kvstore.New(t.Context(), db, nil)
	must(t, err)
	index, signature := multi()
	inner := index.Images[2]
	spec := imagestore.IndexSpec{Documents: []imagestore.Document{{Data: index.Index}, {Data: inner.Index}}}
	for _, part := range append(index.Images[:2:2], inner.Images...) {
		spec.Manifests = append(spec.Manifests, imagestore.Spec{
			Config: part.Config, Manifest: imagestore.Document{Data: part.Manifest},
			Layers: part.LayerDescriptors(), Content: part.OwnDescriptors(),
		})
	}
	name, err := reference.ParseNormalizedNamed("multi:sha256-" + index.ID().Encoded() + ".sig")
	must(t, err)
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		_, err := tx.CreateIndex(t.Context(), spec)
		must(t, err)
		_, err = tx.CreateImage(t.Context(), imagestore.Spec{Manifest: imagestore.Document{Data: signature.Manifest}, Content: signature.OwnDescriptors()})
		must(t, err)
		return tx.Tag(t.Context(), signature.ID(), name, refstore.AddOptions{})
	}))
	return db
}

// A store of an index and what is about it is sound, also when a platform was
// taken out of the index.
func TestSoundLinks(t *testing.T) {
	db := linked(t)
	index, _ := multi()
	for _, taken := range [][]digest.Digest{nil, {index.Images[0].ManifestDigest()}, {index.Images[2].Images[0].ManifestDigest()}} {
		s, err := kvstore.New(t.Context(), db, nil)
		must(t, err)
		must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
			_, _, err := tx.ReplaceIndex(t.Context(), onlyIndex(t, tx), taken)
			return err
		}))
		report, err := storecheck.Records(t.Context(), db)
		must(t, err)
		if report.Problems != nil {
			t.Errorf("without %v: got problems %q, want none", taken, report.Problems)
		}
	}
}

func onlyIndex(t testing.TB, tx *kvstore.Tx) (id digest.Digest) {
	t.Helper()
	for img, err := range tx.Images.All(t.Context()) {
		must(t, err)
		if img.Manifests != nil {
			id = img.ID
		}
	}
	return id
}

// Whatever is wrong with the entries and documents of indexes and referrers is
// found.
func TestLinksThatDoNotFit(t *testing.T) {
	index, signature := multi()
	id, inner := index.ID().String(), index.Images[2].ID().String()
	first := index.Images[0].ManifestDigest().String()
	document := func(key string, data []byte) func(context.Context, kv.Tx) error {
		return func(ctx context.Context, tx kv.Tx) error {
			w := record.NewWriter()
			w.String(string(data))
			return tx.Put(ctx, []byte(key), w.Seal([]byte(key)))
		}
	}
	put := func(key string) func(context.Context, kv.Tx) error {
		return func(ctx context.Context, tx kv.Tx) error { return tx.Put(ctx, []byte(key), nil) }
	}
	remove := func(key string) func(context.Context, kv.Tx) error {
		return func(ctx context.Context, tx kv.Tx) error {
			if _, err := tx.Get(ctx, []byte(key)); err != nil {
				return err
			}
			return tx.Delete(ctx, []byte(key))
		}
	}
	tag := "docker.io/library/multi:sha256-" + index.ID().Encoded() + ".sig"
	for name, test := range map[string]struct {
		harm func(context.Context, kv.Tx) error
		want string
	}{
		"manifest not listed":   {remove("manifest/" + first + "/" + id), `index key "manifest/` + first},
		"inner not listed":      {remove("manifest/" + inner + "/" + id), `index key "manifest/` + inner},
		"manifest of no index":  {put("manifest/" + first + "/" + signature.ID().String()), "belongs to no record"},
		"subject not listed":    {remove("subject/" + first + "/" + signature.ID().String()), `index key "subject/` + first},
		"subject of no record":  {put("subject/" + id + "/" + signature.ID().String()), "belongs to no record"},
		"tag not listed":        {remove("about/" + id + "/" + tag), `index key "about/` + id},
		"tag of no reference":   {put("about/" + first + "/" + tag), "belongs to no record"},
		"document gone":         {remove("index/" + id + "/" + id), "index " + id + " has no document"},
		"inner document gone":   {remove("index/" + id + "/" + inner), "by its record, but lists"},
		"document of no index":  {document("index/"+signature.ID().String()+"/"+id, index.Index), "and is no index"},
		"document of nothing":   {document("index/"+first+"/"+id, index.Index), "names image " + first + ", which is missing"},
		"document of another":   {document("index/"+id+"/"+digest.FromString("{}").String(), []byte("{}")), "does not lie in index"},
		"document is altered":   {document("index/"+id+"/"+id, bytes.ReplaceAll(index.Index, []byte("unknown"), []byte("altered"))), "is not what its key says"},
		"document is not JSON":  {document("index/"+id+"/"+digest.FromString("x").String(), []byte("x")), "is no index"},
		"holder of layers gone": {remove("image/" + id), "layer " + storetest.ChainID("os", "a").String() + " has 1 holders by its record, but there are 0"},
	} {
		t.Run(name, func(t *testing.T) {
			db := linked(t)
			must(t, db.Update(t.Context(), func(tx kv.Tx) error { return test.harm(t.Context(), tx) }))
			report, err := storecheck.Records(t.Context(), db)
			must(t, err)
			if !strings.Contains(strings.Join(report.Problems, "\n"), test.want) {
				t.Errorf("got problems %q, want one that says %q", report.Problems, test.want)
			}
		})
	}
}
