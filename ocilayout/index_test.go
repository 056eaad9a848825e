package ocilayout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/storetest"
)

// platforms runs fn on the images of a layout and their platforms.
func platforms(t testing.TB, dir string, fn func(jettison.Stores, jettison.PlatformStore) error) {
	t.Helper()
	err := open(t, dir).Update(t.Context(), func(stores jettison.Stores) error {
		return fn(stores, stores.Images.Platforms)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onlyIndex is the only image that is an index.
func onlyIndex(t testing.TB, stores jettison.Stores) imagestore.Image {
	t.Helper()
	for img, err := range stores.Images.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if len(img.Manifests) > 0 {
			return img
		}
	}
	t.Fatal("no index")
	return imagestore.Image{}
}

// An index is one image. A platform that is removed from it takes its own blobs
// along, leaves those that others share, and keeps the name and the fields of
// the descriptor (M1 to M3).
func TestRemoveAPlatform(t *testing.T) {
	dir := unpack(t, "oci-layout-podman-index.tar")
	before := blobBytes(t, dir)
	var removed imagestore.Removed
	var made imagestore.Image
	platforms(t, dir, func(stores jettison.Stores, able jettison.PlatformStore) (err error) {
		img := onlyIndex(t, stores)
		if len(img.Manifests) != 2 || img.Manifests[0].Layer != img.Manifests[1].Layer {
			t.Fatalf("got %+v, want two manifests with one layer", img.Manifests)
		}
		gone := []digest.Digest{img.Manifests[0].Digest}
		foretold, err := able.Without(t.Context(), img.ID, gone)
		if err != nil {
			return err
		}
		if made, removed, err = able.Replace(t.Context(), img.ID, gone); err != nil {
			return err
		}
		if diff := cmp.Diff(foretold, made); diff != "" || made.ID == img.ID || len(made.Manifests) != 1 {
			t.Errorf("not as foretold (-foretold +made):\n%s", diff)
		}
		return nil
	})
	if len(removed.Layers) != 0 || len(removed.Content) != 3 { // the old index, a manifest, a configuration
		t.Errorf("removed: got %+v, want three pieces of content and no layer", removed)
	}
	index := read(t, blobPath(dir, made.ID))
	if got, want := before-blobBytes(t, dir)+int64(len(index)), removed.Size(); got != want {
		t.Errorf("bytes that went: got %d, want %d", got, want)
	}
	images, damage := list(t, open(t, dir))
	if want := []string{made.ID.Encoded()[:12] + " docker.io/library/multi:1.0"}; !slices.Equal(images, want) || len(damage) > 0 {
		t.Errorf("got %q and %v, want %q", images, damage, want)
	}
	if stray := strays(t, dir); len(stray) > 0 {
		t.Errorf("files are left: %q", stray)
	}
}

// Platforms of an index within an index are removed like any other; an index
// that is left empty goes out of the one that lists it. Fields that are not
// known stay (M2).
func TestRemoveFromANestedIndex(t *testing.T) {
	var one, two, three, inner ocispec.Descriptor
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		one, two, three = putImage(t, dir, faultImage(1)), putImage(t, dir, faultImage(2)), putImage(t, dir, faultImage(3))
		inner = putIndex(t, dir, one, two)
		outer := put(t, dir, ocispec.MediaTypeImageIndex, map[string]any{
			"schemaVersion": 2, "vendor": map[string]int{"x": 1}, "manifests": []ocispec.Descriptor{inner, three},
			"annotations": map[string]string{"kept": "yes"},
		})
		return []ocispec.Descriptor{named(outer, "multi:1.0")}
	})
	remove := func(manifest digest.Digest) (made imagestore.Image) {
		platforms(t, dir, func(stores jettison.Stores, able jettison.PlatformStore) (err error) {
			made, _, err = able.Replace(t.Context(), onlyIndex(t, stores).ID, []digest.Digest{manifest})
			return err
		})
		return made
	}
	if made := remove(one.Digest); len(made.Manifests) != 2 {
		t.Errorf("got %+v, want two manifests", made.Manifests)
	}
	made := remove(two.Digest)
	var outer struct {
		Manifests   []ocispec.Descriptor
		Vendor      map[string]int
		Annotations map[string]string
	}
	if err := json.Unmarshal([]byte(read(t, blobPath(dir, made.ID))), &outer); err != nil {
		t.Fatal(err)
	}
	if len(outer.Manifests) != 1 || outer.Manifests[0].Digest != three.Digest || outer.Vendor["x"] != 1 || outer.Annotations["kept"] != "yes" {
		t.Errorf("got %+v, want the last manifest and all else", outer)
	}
	if stray := strays(t, dir); len(stray) > 0 {
		t.Errorf("files are left: %q", stray)
	}
	platforms(t, dir, func(stores jettison.Stores, able jettison.PlatformStore) error {
		_, err := able.Without(t.Context(), made.ID, []digest.Digest{three.Digest})
		if !errors.Is(err, jettison.ErrInvalidArgument) {
			t.Errorf("the last manifest: got %v, want an error of class InvalidArgument", err)
		}
		_, err = able.Without(t.Context(), made.ID, []digest.Digest{one.Digest})
		if !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("a manifest that is not there: got %v, want an error of class NotFound", err)
		}
		return nil
	})
}

// An index is written anew byte for byte, but for what goes; a manifest that it
// lists twice is one manifest, and goes wherever it is listed; an index in it
// that the layout does not have stays listed (M1, M2).
func TestRewriteKeepsBytes(t *testing.T) {
	const text = "{ \"schemaVersion\": 2,\n  \"manifests\": [\n%s ,%s,\t%s,%s ],\"x\":[1, 2]}\n"
	entry := func(desc ocispec.Descriptor) string {
		return fmt.Sprintf(`{"mediaType": %q, "size":%d, "digest" : %q}`, desc.MediaType, desc.Size, desc.Digest)
	}
	var one, two, lacking ocispec.Descriptor
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		one, two = putImage(t, dir, faultImage(1)), putImage(t, dir, faultImage(2))
		lacking = putIndex(t, dir, putImage(t, dir, faultImage(3)))
		remove(t, blobPath(dir, lacking.Digest))
		index := fmt.Appendf(nil, text, entry(one), entry(two), entry(one), entry(lacking))
		return []ocispec.Descriptor{named(put(t, dir, ocispec.MediaTypeImageIndex, index), "multi:1.0")}
	})
	platforms(t, dir, func(stores jettison.Stores, able jettison.PlatformStore) error {
		img := onlyIndex(t, stores)
		if len(img.Manifests) != 3 {
			t.Errorf("got the manifests %v, want three", img.Manifests)
		}
		same, gone, err := able.Replace(t.Context(), img.ID, nil)
		if diff := cmp.Diff(img, same); err != nil || diff != "" || len(gone.Content) > 0 {
			t.Errorf("taking nothing out: %v, %v (-before +after):\n%s", err, gone, diff)
		}
		_, _, err = able.Replace(t.Context(), img.ID, []digest.Digest{one.Digest})
		return err
	})
	platforms(t, dir, func(stores jettison.Stores, _ jettison.PlatformStore) error {
		img := onlyIndex(t, stores)
		want := fmt.Sprintf("{ \"schemaVersion\": 2,\n  \"manifests\": [\n%s,%s ],\"x\":[1, 2]}\n", entry(two), entry(lacking))
		if diff := cmp.Diff(want, read(t, blobPath(dir, img.ID))); diff != "" {
			t.Errorf("document (-want +got):\n%s", diff)
		}
		return nil
	})
}

// An index whose manifests are not all there, as tools leave it that copy one
// platform, is readable.
func TestSparseIndex(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		there, missing := putImage(t, dir, faultImage(1)), putImage(t, dir, faultImage(2))
		remove(t, blobPath(dir, missing.Digest))
		remove(t, blobPath(dir, faultImage(2).ID()))
		return []ocispec.Descriptor{named(putIndex(t, dir, there, missing), "multi:1.0")}
	})
	images, damage := list(t, open(t, dir))
	if len(images) != 1 || len(damage) != 0 {
		t.Errorf("got %q and %v, want one image", images, damage)
	}
	if _, err := jettison.New(open(t, dir), nil).ImageDelete(t.Context(), "multi:1.0", jettison.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

// What lies in an index beside its images takes no label from it (P4).
func TestIndexWithMoreThanImages(t *testing.T) {
	img := storetest.Spec{Name: "app", Labels: map[string]string{"team": "a"}}.Image()
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		config := put(t, dir, ocispec.MediaTypeImageConfig, []byte(`{"of":"no layers"}`))
		more := put(t, dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{Config: config})
		return []ocispec.Descriptor{named(putIndex(t, dir, putImage(t, dir, img), more), "multi:1.0")}
	})
	platforms(t, dir, func(stores jettison.Stores, _ jettison.PlatformStore) error {
		if diff := cmp.Diff(map[string]string{"team": "a"}, onlyIndex(t, stores).Labels); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		return nil
	})
}

// What is about an image is found by its subject, down the whole line, and what
// it is about is found from there (S1).
func TestReferrers(t *testing.T) {
	dir := unpack(t, "oci-layout-referrers.tar")
	found := make(map[string]string)
	err := open(t, dir).View(t.Context(), func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			referrers, err := stores.Images.Referrers.Referrers(t.Context(), img.ID)
			if err != nil {
				return err
			}
			subjects, err := stores.Images.Referrers.Subjects(t.Context(), img.ID)
			if err != nil {
				return err
			}
			found[img.ID.Encoded()[:4]] = strings.Join(digits(referrers), " ") + " / " + strings.Join(digits(subjects), " ")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ // referrers / subjects
		"184f": "0c99 c0be / ", // app:signed
		"0c99": " / 184f",      // its signature
		"c0be": "e9c5 / 184f",  // its SBOM
		"e9c5": " / c0be",      // the signature of the SBOM
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("referrers / subjects (-want +got):\n%s", diff)
	}
}

func digits(ids []digest.Digest) []string {
	var all []string
	for _, id := range ids {
		all = append(all, id.Encoded()[:4])
	}
	return all
}
