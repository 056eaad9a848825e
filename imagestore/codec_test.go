package imagestore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/imagestore"
)

func drawDigest(t *rapid.T, label string) digest.Digest {
	return digest.Digest(rapid.OneOf(
		rapid.Just(""),
		rapid.StringMatching(`sha256:[0-9a-f]{64}`),
		rapid.StringMatching(`sha512:[0-9a-f]{128}`),
		rapid.StringMatching(`[a-z0-9+]{1,8}:[a-zA-Z0-9=_-]{1,40}`),
	).Draw(t, label))
}

// drawContents draws contents as records keep them, by digest alone.
func drawContents(t *rapid.T) (contents []imagestore.Content) {
	for range rapid.IntRange(0, 3).Draw(t, "contents") {
		contents = append(contents, imagestore.Content{Digest: drawDigest(t, "content")})
	}
	return contents
}

func drawImage(t *rapid.T) imagestore.Image {
	text := rapid.StringN(0, 12, -1)
	img := imagestore.Image{
		ID:      drawDigest(t, "id"),
		Parent:  drawDigest(t, "parent"),
		Created: time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC(),
		Platform: ocispec.Platform{
			OS:           text.Draw(t, "os"),
			Architecture: text.Draw(t, "arch"),
			Variant:      text.Draw(t, "variant"),
			OSVersion:    text.Draw(t, "version"),
		},
		Layer:   drawDigest(t, "layer"),
		Size:    rapid.Int64().Draw(t, "size"),
		Content: drawContents(t),
	}
	if features := rapid.SliceOfN(text, 0, 3).Draw(t, "features"); len(features) > 0 {
		img.Platform.OSFeatures = features
	}
	if labels := rapid.MapOfN(text, text, 0, 4).Draw(t, "labels"); len(labels) > 0 {
		img.Labels = labels
	}
	return img
}

// checkCodec checks that what was encoded under key is decoded, that nothing is
// decoded once a bit is flipped, and that two encodings of one thing are equal.
func checkCodec[T any](t *rapid.T, key string, want T, encode func([]byte, T) []byte, decode func(_, _ []byte) (T, error)) {
	value := encode([]byte(key), want)
	got, err := decode([]byte(key), value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(value, encode([]byte(key), got)); diff != "" {
		t.Fatal(diff)
	}
	bit := rapid.IntRange(0, 8*len(value)-1).Draw(t, "bit")
	value[bit/8] ^= 1 << (bit % 8)
	if got, err := decode([]byte(key), value); err == nil {
		t.Fatalf("got %+v from a damaged record, want an error", got)
	}
}

func TestCodec(t *testing.T) {
	t.Run("image", rapid.MakeCheck(func(t *rapid.T) {
		img := drawImage(t)
		checkCodec(t, "image/"+string(img.ID), img, imagestore.EncodeImage, imagestore.DecodeImage)
	}))
	t.Run("layer", rapid.MakeCheck(func(t *rapid.T) {
		l := imagestore.Layer{
			ChainID: drawDigest(t, "chain"),
			DiffID:  drawDigest(t, "diff"),
			Parent:  drawDigest(t, "parent"),
			Holders: rapid.IntRange(0, 1<<30).Draw(t, "holders"),
			Content: drawContents(t),
		}
		checkCodec(t, "layer/"+string(l.ChainID), l, imagestore.EncodeLayer, imagestore.DecodeLayer)
	}))
	t.Run("content", rapid.MakeCheck(func(t *rapid.T) {
		c := imagestore.Content{
			Digest:  drawDigest(t, "digest"),
			Size:    rapid.Int64().Draw(t, "size"),
			Holders: rapid.IntRange(0, 1<<30).Draw(t, "holders"),
		}
		checkCodec(t, "content/"+string(c.Digest), c, imagestore.EncodeContent, imagestore.DecodeContent)
	}))
}

// FuzzCodec decodes any bytes as every kind of record: none panics, and what is
// decoded is encoded and decoded to the same again.
func FuzzCodec(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(imagestore.EncodeImage([]byte("image/"), imagestore.Image{Labels: map[string]string{"k": "v"}}))
	f.Add(imagestore.EncodeLayer([]byte("layer/"), imagestore.Layer{DiffID: diffID("x"), Holders: 2}))
	f.Add(imagestore.EncodeContent([]byte("content/"), content("", 100, 3)))
	f.Fuzz(func(t *testing.T, value []byte) {
		again(t, "image/", value, imagestore.EncodeImage, imagestore.DecodeImage)
		again(t, "layer/", value, imagestore.EncodeLayer, imagestore.DecodeLayer)
		again(t, "content/", value, imagestore.EncodeContent, imagestore.DecodeContent)
	})
}

func again[T any](t *testing.T, key string, value []byte, encode func([]byte, T) []byte, decode func(_, _ []byte) (T, error)) {
	for _, v := range [][]byte{value, imagestore.Reseal([]byte(key), value)} {
		first, err := decode([]byte(key), v)
		if err != nil {
			continue
		}
		second, err := decode([]byte(key), encode([]byte(key), first))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	}
}
