package transfer_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// twoForms are an image whose layer is compressed in one way, and an index with
// an image whose same layer is compressed in another.
func twoForms(t testing.TB) (alone, index []byte, want []digest.Digest) {
	image, multi := newLayout(t), newLayout(t)
	image.list(image.image(linux("amd64"), ocispec.MediaTypeImageLayerZstd, zstandard), "alone:1")
	multi.list(multi.indexOf(linux("amd64"), linux("arm64")), "multi:1")
	for id := range multi.blobs {
		want = append(want, id)
	}
	slices.Sort(want)
	return pack(t, image.files()...), pack(t, multi.files()...), want
}

// blobsOf are the blobs of an image layout.
func blobsOf(t testing.TB, dir string) (found []digest.Digest) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		found = append(found, digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(path)))
	}
	slices.Sort(found)
	return found
}

// An index can be saved and copied whole although the store had one of its layers
// compressed in another way, and what it brings goes with it (M1).
func TestIndexWithALayerInAnotherForm(t *testing.T) {
	alone, index, want := twoForms(t)
	for _, order := range [][][]byte{{alone, index}, {index, alone}} {
		store, other := newStore(t), newStore(t)
		for _, archive := range order {
			loadData(t, store, archive)
		}
		checkStore(t, store)
		dir := filepath.Join(t.TempDir(), "saved")
		if _, err := transfer.Save(t.Context(), store, dir, []string{"multi:1"}, transfer.SaveOptions{Format: transfer.OCILayout}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, blobsOf(t, dir)); diff != "" {
			t.Errorf("blobs (-want +saved):\n%s", diff)
		}
		if _, err := transfer.Copy(t.Context(), other, store, []string{"multi:1"}, transfer.CopyOptions{}); err != nil {
			t.Error(err)
		}
		checkStore(t, other)
		remove(t, store, "multi:1", jettison.RemoveOptions{})
		remove(t, store, "alone:1", jettison.RemoveOptions{})
		if rest := dump(t, store); len(rest) > 0 {
			t.Errorf("left behind: %q", rest)
		}
	}
}

// What a store lacks of an index is named, with what to do about it: another
// platform can be taken.
func TestIndexWithoutALayer(t *testing.T) {
	l := newLayout(t)
	index := l.indexOf(linux("amd64"), linux("arm64"))
	content := pack(t, file{name: "etc/platform", body: []byte("arm64")})
	lost := digest.FromBytes(gzipped(t, content))
	src, dst := l.keep(index, lost), newStore(t)
	_, copied := transfer.Copy(t.Context(), dst, src, []string{"multi:1"}, transfer.CopyOptions{})
	_, saved := transfer.Save(t.Context(), src, filepath.Join(t.TempDir(), "saved"), []string{"multi:1"}, transfer.SaveOptions{Format: transfer.OCILayout})
	for what, err := range map[string]error{"copy": copied, "save": saved} {
		for _, word := range []string{lost.String(), "linux/arm64", "load the image again, or take another platform"} {
			if !errors.Is(err, jettison.ErrNotFound) || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: got %v, want an error of class NotFound that says %q", what, err, word)
			}
		}
	}
	if _, err := transfer.Copy(t.Context(), dst, src, []string{"multi:1"}, transfer.CopyOptions{Platform: linux("amd64")}); err != nil {
		t.Errorf("another platform: %v", err)
	}
}
