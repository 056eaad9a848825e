package ocilayout_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
)

// An index.json that two readers may understand in two ways is refused, and
// stays as it is.
func TestAmbiguousIndex(t *testing.T) {
	desc := func(more string) string {
		return `{"mediaType":"` + ocispec.MediaTypeImageManifest + `","digest":"` + digest.FromString("x").String() + `","size":1` + more + `}`
	}
	cases := map[string]string{
		"two lists":                  `{"schemaVersion":2,"manifests":[],"manifests":[]}`,
		"a list in another case":     `{"schemaVersion":2,"Manifests":[]}`,
		"two digests":                `{"schemaVersion":2,"manifests":[` + desc(`,"digest":"x"`) + `]}`,
		"a digest in another case":   `{"schemaVersion":2,"manifests":[` + desc(`,"Digest":"x"`) + `]}`,
		"annotations twice":          `{"schemaVersion":2,"manifests":[` + desc(`,"annotations":{"org.opencontainers.image.ref.name":"a"},"annotations":{}`) + `]}`,
		"annotations in a long s":    `{"schemaVersion":2,"manifests":[` + desc(`,"annotationſ":{"org.opencontainers.image.ref.name":"a"}`) + `]}`,
		"a bracket after the object": `{"schemaVersion":2,"manifests":[]}}`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			dir := faultLayout(t)
			write(t, filepath.Join(dir, "index.json"), []byte(text))
			_, err := jettison.New(open(t, dir), nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			var damage *ocilayout.IndexError
			if !errors.As(err, &damage) || read(t, dir, "index.json") != text {
				t.Errorf("got %v, want an *IndexError", err)
			}
		})
	}
}

// Keys that are not touched keep their bytes, and annotations that are null are
// none.
func TestTagKeepsBytes(t *testing.T) {
	dir := faultLayout(t)
	text := read(t, dir, "index.json")
	img := faultImage(3)
	before, after, _ := strings.Cut(text, `"manifests":[`)
	write(t, filepath.Join(dir, "index.json"), []byte(before+`"\ud800\u0041":1,"manifests":[`+after))
	err := open(t, dir).Edit(t.Context(), func(tx *ocilayout.Tx) error {
		return tx.Name(t.Context(), img.ID(), tagged("new:1"), refstore.AddOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "index.json"); !strings.Contains(got, `"\ud800\u0041":1`) {
		t.Errorf("got %s, want the odd key as it was", got)
	}
	desc := putImage(t, dir, img)
	write(t, filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"`+desc.MediaType+`","digest":"`+
		desc.Digest.String()+`","size":`+itoa(desc.Size)+`,"annotations":null}]}`))
	err = open(t, dir).Edit(t.Context(), func(tx *ocilayout.Tx) error {
		return tx.Name(t.Context(), img.ID(), tagged("new:1"), refstore.AddOptions{})
	})
	if err != nil {
		t.Error(err)
	}
}

func itoa(n int64) string {
	data, _ := json.Marshal(n)
	return string(data)
}
