package diskstore_test

import (
	"bytes"
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// multi is an index for two platforms, and what is about it and about one of
// them.
func multi() (index storetest.Image, about []storetest.Image) {
	index = storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{
		{Name: "a", Layers: []string{"os", "a"}},
		{Name: "b", Layers: []string{"os", "b"}, Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}},
	}}.Image()
	return index, []storetest.Image{
		storetest.ArtifactSpec{Name: "of all", Subject: index.ID()}.Image(),
		storetest.ArtifactSpec{Name: "of one", Subject: index.Images[0].ManifestDigest()}.Image(),
	}
}

// loadingIndex loads it with its name and all that is about it.
func loadingIndex(ctx context.Context, s *diskstore.Store) (err error) {
	index, about := multi()
	in, err := s.Ingest(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closing := in.Close(); err == nil {
			err = closing
		}
	}()
	for _, part := range append(index.Images, about...) {
		data := append(append([][]byte{}, part.Layers...), part.Config, part.Manifest)
		if part.Config == nil {
			data = [][]byte{part.Manifest}
		}
		for i, desc := range append(part.LayerDescriptors(), part.OwnDescriptors()...) {
			if _, err := in.Write(ctx, bytes.NewReader(data[i]), desc); err != nil {
				return err
			}
		}
	}
	return in.Commit(ctx, func(tx *kvstore.Tx) error {
		spec := imagestore.IndexSpec{Documents: []imagestore.Document{{Data: index.Index}}}
		for _, part := range index.Images {
			spec.Manifests = append(spec.Manifests, specOf(part))
		}
		img, err := tx.CreateIndex(ctx, spec)
		if err != nil {
			return err
		}
		for _, part := range about {
			if _, err := tx.CreateImage(ctx, specOf(part)); err != nil {
				return err
			}
		}
		return tx.Tag(ctx, img.ID, ref("multi"), refstore.AddOptions{})
	})
}

func specOf(img storetest.Image) imagestore.Spec {
	return imagestore.Spec{
		Config: img.Config, Manifest: imagestore.Document{Data: img.Manifest},
		Layers: img.LayerDescriptors(), Content: img.OwnDescriptors(),
	}
}

// removesPlatform takes one platform out of it; what was about the whole goes.
func removesPlatform(ctx context.Context, s *diskstore.Store) error {
	records, err := jettison.New(s, nil).ImageDelete(ctx, "multi", jettison.RemoveOptions{
		Force: true, Platforms: []ocispec.Platform{{OS: "linux", Architecture: "arm64"}},
	})
	if err == nil && len(records) != 3 { // a manifest, a layer, what was about the index
		err = errors.Errorf("got %v, want three records", records)
	}
	return err
}
