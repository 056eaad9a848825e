package compare_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
)

// writeLayout makes a layout of n images, called app:0 and so on, each with a
// layer of its own on a common one.
func writeLayout(t testing.TB, dir string, n int) {
	t.Helper()
	base := writeBlob(t, dir, ocispec.MediaTypeImageLayer, bytes.Repeat([]byte("base"), 256))
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}}
	for i := range n {
		own := writeBlob(t, dir, ocispec.MediaTypeImageLayer, bytes.Repeat([]byte(fmt.Sprint(i, " ")), 256))
		config := writeBlob(t, dir, ocispec.MediaTypeImageConfig, encodeJSON(t, ocispec.Image{
			Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
			RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{base.Digest, own.Digest}},
		}))
		manifest := writeBlob(t, dir, ocispec.MediaTypeImageManifest, encodeJSON(t, ocispec.Manifest{
			Versioned: index.Versioned, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{base, own},
		}))
		manifest.Annotations = map[string]string{ocispec.AnnotationRefName: fmt.Sprintf("app:%d", i)}
		index.Manifests = append(index.Manifests, manifest)
	}
	writeFile(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	writeFile(t, filepath.Join(dir, "index.json"), encodeJSON(t, index))
}

func encodeJSON(t testing.TB, doc any) []byte {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeBlob(t testing.TB, dir, mediaType string, data []byte) ocispec.Descriptor {
	t.Helper()
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	writeFile(t, filepath.Join(dir, "blobs", "sha256", desc.Digest.Encoded()), data)
	return desc
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// blobsOf lists the blobs of a layout.
func blobsOf(t testing.TB, dir string) (blobs []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			blobs = append(blobs, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// The store of oras-go opens what a deletion leaves, has the tags that are left,
// and finds nothing to collect.
func TestOrasAgreesOnALayout(t *testing.T) {
	dir := t.TempDir()
	writeLayout(t, dir, 5)
	layout, err := ocilayout.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jettison.New(layout, nil).ImagesDelete(t.Context(), []string{"app:1", "app:3"}, jettison.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	before := blobsOf(t, dir)
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	err = store.Tags(t.Context(), "", func(page []string) error {
		tags = append(tags, page...)
		return nil
	})
	if diff := cmp.Diff([]string{"app:0", "app:2", "app:4"}, tags); diff != "" || err != nil {
		t.Errorf("tags: %v (-want +got):\n%s", err, diff)
	}
	for _, tag := range tags {
		desc, err := store.Resolve(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		whole(t, store, desc)
	}
	if err := store.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, blobsOf(t, dir)); diff != "" {
		t.Errorf("blobs (-before the collection +after):\n%s", diff)
	}
}

// whole makes sure that the store has all that a manifest names.
func whole(t *testing.T, store *oci.Store, desc ocispec.Descriptor) {
	t.Helper()
	content, err := store.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close() //nolint:errcheck // nothing was written
	var manifest ocispec.Manifest
	if err := json.NewDecoder(content).Decode(&manifest); err != nil {
		t.Fatal(err)
	}
	for _, needed := range append(slices.Clone(manifest.Layers), manifest.Config) {
		if there, err := store.Exists(context.WithoutCancel(t.Context()), needed); err != nil || !there {
			t.Errorf("%s: %v, %v, want it there", needed.Digest, there, err)
		}
	}
}
