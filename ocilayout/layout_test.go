package ocilayout_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
)

// short are the records, with no more digits than a test has to name.
func short(records []jettison.DeleteResponse) []string {
	var all []string
	for _, r := range records {
		text := r.String()
		all = append(all, text[:min(len(text), len("Deleted: sha256:1005"))])
	}
	return all
}

// What skopeo copied is listed and deleted (D5, D10), and what nothing needs
// goes from the disk (D12). Descriptors that are not touched keep their bytes.
func TestDeleteFromALayoutOfSkopeo(t *testing.T) {
	dir := unpack(t, "oci-layout-skopeo.tar")
	before := files(t, dir)
	service := jettison.New(open(t, dir), nil)
	records, err := service.ImageDelete(t.Context(), "full:1.0", jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Untagged: full:1.0", "Deleted: sha256:1005", "Deleted: sha256:7fd5"}, short(records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if after := files(t, dir); len(after) != len(before)-3 { // its manifest, configuration and layer
		t.Errorf("got %d files, want 3 less than %d", len(after), len(before))
	}
	want := `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:980372a4d15dcebfe8e5738398b03cad07f00f82eedea61f1a5495bfc0c32306","size":402,"annotations":{"org.opencontainers.image.ref.name":"base:1.0"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:b5328f7a4d5978d6b8e9b1cb478b7cd0e5ecaab8b95fa5a49cc57547d5237bbc","size":559,"annotations":{"org.opencontainers.image.ref.name":"app:1.0"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:6b239a8bf011309a7e7dea7f74f3afe6f2707f9b178c338520d0ca81e04f9008","size":557,"annotations":{"org.opencontainers.image.ref.name":"web:1.0"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:b5328f7a4d5978d6b8e9b1cb478b7cd0e5ecaab8b95fa5a49cc57547d5237bbc","size":559,"annotations":{"org.opencontainers.image.ref.name":"registry.example.com/team/app:1.0"}}]}`
	if diff := cmp.Diff(want, read(t, dir, "index.json")); diff != "" {
		t.Errorf("index.json (-want +got):\n%s", diff)
	}
}

// A prune of everything leaves the frame of the layout and nothing else, and
// frees what it says (P7).
func TestPruneEmptiesALayout(t *testing.T) {
	for _, archive := range []string{"oci-layout-skopeo.tar", "oci-layout-podman-index.tar"} {
		t.Run(archive, func(t *testing.T) {
			dir := unpack(t, archive)
			want := blobBytes(t, dir)
			service := jettison.New(open(t, dir), nil)
			report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if got := report.SpaceReclaimed; got != want {
				t.Errorf("space reclaimed: got %d, want %d", got, want)
			}
		})
	}
}

// blobBytes is what the blobs of a layout take.
func blobBytes(t testing.TB, dir string) (n int64) {
	t.Helper()
	for _, name := range files(t, dir) {
		if strings.HasPrefix(name, "blobs/") {
			n += int64(len(read(t, dir, name)))
		}
	}
	return n
}
