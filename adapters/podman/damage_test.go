package podman_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/internal/backends"
)

// A document that was written anew is read anew.
func TestDocumentWrittenAnew(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{labels: map[string]string{"a": "old"}})
	b := f.backend(nil)
	for _, want := range []string{"old", "new"} {
		config := m.config
		config.Config.Labels = map[string]string{"a": want}
		f.check(f.SetImageBigData(m.id.Encoded(), m.id.String(), f.json(config), nil))
		f.check(b.View(t.Context(), func(stores jettison.Stores) error {
			img, err := stores.Images.Get(t.Context(), m.id)
			if got := img.Labels["a"]; got != want {
				t.Errorf("label: got %q, want %q", got, want)
			}
			return err
		}))
	}
}

// key is what the store calls a document of an image.
func (f *fixture) key(id digest.Digest, document backends.Document) string {
	if document == backends.Config {
		return id.String()
	}
	return string(document)
}

// document is the file of a document of an image.
func (f *fixture) document(id digest.Digest, document backends.Document) string {
	f.t.Helper()
	data, err := f.ImageBigData(id.Encoded(), f.key(id, document))
	f.check(err)
	found := ""
	for path := range listing(f.t, filepath.Join(f.root, "vfs-images", id.Encoded())) {
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, data) {
			found = path
		}
	}
	if found == "" {
		f.t.Fatalf("image %s has no file for its %s", id, document)
	}
	return found
}

// What the configuration says counts although the manifest is gone; without a
// configuration there are no labels.
func TestDamagedLabels(t *testing.T) {
	f := newFixture(t)
	kept := f.image(spec{labels: map[string]string{"keep": ""}, comment: "kept"})
	gone := f.image(spec{labels: map[string]string{"keep": ""}, comment: "gone"})
	f.check(os.Remove(f.document(kept.id, backends.Manifest)))
	f.check(os.Remove(f.document(gone.id, backends.Config)))
	report, err := jettison.New(f.backend(nil), nil).ImagesPrune(t.Context(), jettison.PruneOptions{Filters: filter.Args{"label!": {"keep"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Deleted: " + gone.id.String()}, lines(report.ImagesDeleted)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A document that is larger than any of an image is not read, which is damage.
func TestLargeDocuments(t *testing.T) {
	f := newFixture(t)
	huge := append(bytes.Repeat([]byte(" "), 8<<20), "{}"...)
	anyDigest := func([]byte) (digest.Digest, error) { return digest.FromString("any"), nil }
	for _, document := range []backends.Document{backends.Manifest, backends.Config} {
		m := f.image(spec{comment: string(document)})
		f.check(f.SetImageBigData(m.id.Encoded(), f.key(m.id, document), huge, anyDigest))
		var log logged
		records, err := jettison.New(f.backend(&podman.Options{Logger: log.logger()}), nil).ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{})
		f.check(err)
		if diff := cmp.Diff([]string{"Deleted: " + m.id.String()}, lines(records)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if said := strings.Join(log.take(), "\n"); !strings.Contains(said, "8388610 bytes are more than the 8 MiB") {
			t.Errorf("%s: got the warnings %q, want one that it is too large", document, said)
		}
	}
}
