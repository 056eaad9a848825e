package podman_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/internal/backends"
)

// document is the file of a document of an image.
func (f *fixture) document(id digest.Digest, document backends.Document) string {
	f.t.Helper()
	key := string(document)
	if document == backends.Config {
		key = id.String()
	}
	data, err := f.ImageBigData(id.Encoded(), key)
	f.check(err)
	found := ""
	for path := range listing(f.t, filepath.Join(f.root, "vfs-images", id.Encoded())) {
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, data) {
			found = path
		}
	}
	if found == "" {
		f.t.Fatalf("image %s has no file for %s", id, key)
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
