package ocilayout_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
)

// layerFiles are the files of the layers of an image.
func layerFiles(dir string, n int) []string {
	var found []string
	for _, layer := range faultImage(n).Layers {
		found = append(found, blobPath(dir, digest.FromBytes(layer)))
	}
	return found
}

func mustHave(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("something readable needs it: %v", err)
		}
	}
}

// An image that is listed in a way of which this package makes nothing, and
// other tools may make something, keeps all blobs (E3).
func TestWhatOthersMayReadKeepsBlobs(t *testing.T) {
	body := func(dir string) ocispec.Manifest {
		var m ocispec.Manifest
		if err := json.Unmarshal([]byte(read(t, blobPath(dir, putImage(t, dir, faultImage(1)).Digest))), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	cases := map[string]func(dir string) ocispec.Descriptor{
		"an index without a version": func(dir string) ocispec.Descriptor {
			return put(t, dir, ocispec.MediaTypeImageIndex, map[string]any{"manifests": []any{putImage(t, dir, faultImage(1))}})
		},
		"a manifest without a configuration": func(dir string) ocispec.Descriptor {
			return put(t, dir, ocispec.MediaTypeImageManifest, map[string]any{"layers": body(dir).Layers})
		},
		"a manifest with a size that is a text": func(dir string) ocispec.Descriptor {
			m := body(dir)
			m.Layers[0].Size = 123456
			data, _ := json.Marshal(m)
			return put(t, dir, ocispec.MediaTypeImageManifest, []byte(strings.Replace(string(data), "123456", `"1"`, 1)))
		},
		"a manifest that is called an index": func(dir string) ocispec.Descriptor {
			m := body(dir)
			m.Annotations = map[string]string{"v": "2"}
			return put(t, dir, ocispec.MediaTypeImageIndex, m)
		},
		"an index with layers of its own": func(dir string) ocispec.Descriptor {
			return put(t, dir, ocispec.MediaTypeImageIndex, map[string]any{
				"schemaVersion": 2, "manifests": []any{}, "config": body(dir).Config, "layers": body(dir).Layers,
			})
		},
		"a descriptor with another size": func(dir string) ocispec.Descriptor {
			m := body(dir)
			m.Annotations = map[string]string{"v": "2"}
			desc := put(t, dir, ocispec.MediaTypeImageManifest, m)
			desc.Size++
			return desc
		},
		"an index with one manifest that is altered": func(dir string) ocispec.Descriptor {
			bad := putImage(t, dir, faultImage(9))
			alter(t, blobPath(dir, bad.Digest))
			return putIndex(t, dir, bad, putImage(t, dir, faultImage(1)))
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			dir := newLayout(t, func(dir string) []ocispec.Descriptor {
				return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "app:1.0"), named(make(dir), "odd:1")}
			})
			l := open(t, dir)
			if _, err := jettison.New(l, nil).ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			repair(t, l)
			mustHave(t, layerFiles(dir, 1)...)
		})
	}
}

// A configuration with a malformed digest makes its image unreadable; the ID is
// then the digest of the manifest, so that it can be deleted.
func TestMalformedConfigDigest(t *testing.T) {
	for _, bad := range []digest.Digest{"zzz", "", "sha256:abc"} {
		var desc ocispec.Descriptor
		dir := newLayout(t, func(dir string) []ocispec.Descriptor {
			desc = put(t, dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{
				Versioned: specs.Versioned{SchemaVersion: 2}, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: bad},
			})
			return []ocispec.Descriptor{desc}
		})
		l := open(t, dir)
		images, damage := list(t, l)
		if len(images) != 1 || len(damage) != 1 || images[0] != desc.Digest.Encoded()[:12] {
			t.Errorf("%q: got %q, %v, want one unreadable image by the digest of its manifest", bad, images, damage)
		}
		if _, err := jettison.New(l, nil).ImageDelete(t.Context(), desc.Digest.String(), jettison.RemoveOptions{}); err != nil {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Indexes that list each other many times over are walked once each.
func TestIndexBomb(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		desc := putImage(t, dir, faultImage(1))
		for range 8 {
			var same []ocispec.Descriptor
			for range 100 {
				same = append(same, desc)
			}
			desc = putIndex(t, dir, same...)
		}
		return []ocispec.Descriptor{named(desc, "bomb:1")}
	})
	if images, damage := list(t, open(t, dir)); len(images) != 1 || len(damage) != 0 {
		t.Errorf("got %q, %v, want one image", images, damage)
	}
}
