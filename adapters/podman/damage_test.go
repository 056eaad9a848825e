package podman_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/filter"
)

// document is the file of a document of an image.
func (f *fixture) document(m *made, key string) string {
	f.t.Helper()
	data, err := f.ImageBigData(m.id.Encoded(), key)
	f.check(err)
	found := ""
	for path := range listing(f.t, filepath.Join(f.root, "vfs-images", m.id.Encoded())) {
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, data) {
			found = path
		}
	}
	if found == "" {
		f.t.Fatalf("image %s has no file for %s", m.id, key)
	}
	return found
}

// An image whose manifest or configuration is gone or damaged goes as any other,
// with a warning.
func TestDamagedImage(t *testing.T) {
	lose := func(path string) error { return os.Remove(path) }
	garble := func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) }
	ways := map[string]func(*jettison.Service, *made) ([]jettison.DeleteResponse, error){
		"by ID": func(s *jettison.Service, m *made) ([]jettison.DeleteResponse, error) {
			return s.ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{PruneChildren: true})
		},
		"by tag": func(s *jettison.Service, _ *made) ([]jettison.DeleteResponse, error) {
			return s.ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{PruneChildren: true})
		},
		"in a prune": func(s *jettison.Service, _ *made) ([]jettison.DeleteResponse, error) {
			report, err := s.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			return report.ImagesDeleted, err
		},
	}
	for what, remove := range ways {
		for how, harm := range map[string]func(string) error{"lost": lose, "garbled": garble} {
			for _, document := range []string{"manifest", "config"} {
				t.Run(strings.Join([]string{what, document, how}, " "), func(t *testing.T) {
					f := newFixture(t)
					m := f.image(spec{layers: []string{"os", "app"}, names: []string{"localhost/app:1"}})
					key := document
					if key == "config" {
						key = m.id.String()
					}
					f.check(harm(f.document(m, key)))
					var log bytes.Buffer
					service := jettison.New(f.backend(&podman.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}), nil)
					records, err := remove(service, m)
					if err != nil {
						t.Fatal(err)
					}
					want := []string{"Untagged: localhost/app:1", "Deleted: " + m.id.String(), "Deleted: " + m.chain(f, 2), "Deleted: " + m.chain(f, 1)}
					if diff := cmp.Diff(want, lines(records)); diff != "" {
						t.Errorf("records (-want +got):\n%s", diff)
					}
					if !strings.Contains(log.String(), "image is damaged") || !strings.Contains(log.String(), m.id.String()) {
						t.Errorf("no warning: %q", log.String())
					}
					if left := f.problems(); len(left) > 0 {
						t.Errorf("left: %q", left)
					}
				})
			}
		}
	}
}

// What the configuration says counts although the manifest is gone; without a
// configuration there are no labels.
func TestDamagedLabels(t *testing.T) {
	f := newFixture(t)
	kept := f.image(spec{labels: map[string]string{"keep": ""}, comment: "kept"})
	gone := f.image(spec{labels: map[string]string{"keep": ""}, comment: "gone"})
	f.check(os.Remove(f.document(kept, "manifest")))
	f.check(os.Remove(f.document(gone, gone.id.String())))
	report, err := jettison.New(f.backend(nil), nil).ImagesPrune(t.Context(), jettison.PruneOptions{Filters: filter.Args{"label!": {"keep"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Deleted: " + gone.id.String()}, lines(report.ImagesDeleted)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
