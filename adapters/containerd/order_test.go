package containerd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// Lists are sorted by target and by reference, and a prefix finds targets, with
// and without the algorithm. (The suite for stores sees the images under other
// IDs.)
func TestOrder(t *testing.T) {
	l := newLab(t, nil)
	var ids []digest.Digest
	for i := range 12 {
		ids = append(ids, l.pull(t, fmt.Sprint(i), []string{"os"}, fmt.Sprintf("docker.io/library/i%d:1", 11-i), fmt.Sprintf("quay.io/i%d:1", i)))
	}
	slices.Sort(ids)
	err := l.backend.View(t.Context(), func(stores jettison.Stores) error {
		var got []digest.Digest
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			got = append(got, img.ID)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("All (-want +got):\n%s", diff)
		}
		var names []string
		for a, err := range stores.References.All(t.Context()) {
			if err != nil {
				return err
			}
			names = append(names, a.Ref.String())
		}
		if !slices.IsSorted(names) || len(names) != 24 {
			t.Errorf("references: %v", names)
		}
		for _, prefix := range []string{"", "sha256:", ids[3].Encoded()[:1], "sha256:" + ids[5].Encoded()[:2], ids[7].Encoded(), ids[8].String(), "sha512:", "0000000"} {
			want := slices.DeleteFunc(slices.Clone(ids), func(id digest.Digest) bool {
				return !strings.HasPrefix(id.String(), prefix) && !strings.HasPrefix(id.Encoded(), prefix)
			})
			got, err := stores.Images.Search(t.Context(), prefix)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("Search of %q: got %v, %v, want %v", prefix, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An index is as old as its newest image, has the labels that all its images share,
// and an attestation has none to share.
func TestIndexSharesWhatItsImagesSay(t *testing.T) {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	for _, days := range [][2]int{{1, 2}, {2, 1}} {
		l := newLab(t, nil)
		var spec storetest.IndexSpec
		for i, name := range []string{"amd64", "arm64"} {
			spec.Images = append(spec.Images, storetest.Spec{
				Name: name, Layers: []string{"os"}, Created: day.AddDate(0, 0, days[i]), Labels: map[string]string{"team": "a", "of": name},
				Platform: ocispec.Platform{OS: "linux", Architecture: name},
			})
		}
		spec.Images = append(spec.Images, storetest.Spec{
			Name: "attestation", Created: day.AddDate(1, 0, 0), Platform: ocispec.Platform{OS: "unknown", Architecture: "unknown"},
		})
		o := fixture.NewObject(spec.Image(), fixture.Snapshotter)
		must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
		found, err := l.service.Resolve(t.Context(), "multi:1")
		must(t, err)
		if want := day.AddDate(0, 0, 2); !found.Image.Created.Equal(want) {
			t.Errorf("%v: made %s, want %s", days, found.Image.Created, want)
		}
		if diff := cmp.Diff(map[string]string{"team": "a"}, found.Image.Labels); diff != "" {
			t.Errorf("%v: labels (-want +got):\n%s", days, diff)
		}
	}
}

// An image is as old as its configuration says; what is no image, as its annotation.
func TestAgeOfImage(t *testing.T) {
	for config, want := range map[string]string{
		`{"created":"2020-01-02T00:00:00Z","rootfs":{"type":"layers"}}`: "2020-01-02T00:00:00Z",
		`{"rootfs":{"type":"layers"}}`:                                  "0001-01-01T00:00:00Z",
		`{"created":"2020-01-02T00:00:00Z"}`:                            "2023-04-05T00:00:00Z",
	} {
		l := newLab(t, nil)
		named := digest.FromString(config)
		o := objectOf(ocispec.MediaTypeImageManifest, fmt.Appendf(nil,
			`{"config":{"mediaType":%q,"digest":%q,"size":%d},"annotations":{%q:"2023-04-05T00:00:00Z"}}`,
			ocispec.MediaTypeImageConfig, named, len(config), ocispec.AnnotationCreated))
		o.Blobs[0].Labels = map[string]string{"containerd.io/gc.ref.content.config": named.String()}
		o.Blobs = append([]fixture.Blob{{Data: []byte(config)}}, o.Blobs...)
		must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/app:1"))
		found, err := l.service.Resolve(t.Context(), "app:1")
		must(t, err)
		if got := found.Image.Created.Format(time.RFC3339); got != want {
			t.Errorf("%s: made %s, want %s", config, got, want)
		}
	}
}
