package containerd_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// An image whose content is missing is listed, and goes by name and by ID.
func TestMissingContent(t *testing.T) {
	for _, what := range []string{"target", "config", "index"} {
		for _, byID := range []bool{false, true} {
			l := newLab(t, nil)
			made := storetest.Spec{Name: "app", Layers: []string{"os"}}.Image()
			if what == "index" {
				made = storetest.IndexSpec{Name: "app", Images: []storetest.Spec{{Name: "one", Layers: []string{"os"}}}}.Image()
			}
			o := fixture.NewObject(made, fixture.Snapshotter)
			if err := l.engine.Pull(t.Context(), o, "", "docker.io/library/app:1"); err != nil {
				t.Fatal(err)
			}
			gone := o.Target.Digest
			if what == "config" {
				gone = made.ID()
			}
			if err := l.Services.Content.Delete(l.engine.In(t.Context()), gone); err != nil {
				t.Fatal(err)
			}
			if found, err := l.service.Resolve(t.Context(), "app:1"); err != nil || found.Image.ID != o.Target.Digest {
				t.Errorf("%s is missing: resolved to %s, %v", what, found.Image.ID, err)
			}
			name := "app:1"
			if byID {
				name = o.Target.Digest.String()
			}
			records, err := l.service.ImageDelete(t.Context(), name, jettison.RemoveOptions{})
			if err != nil || len(records) < 2 || len(l.records(t)) != 0 {
				t.Errorf("%s is missing, by ID %t: %v, %v, left %v", what, byID, records, err, l.records(t))
			}
		}
	}
}

// A damaged is an image with a document that is not what it should be.
type damaged struct {
	object fixture.Object
	// truncated says that the target lacks its end, altered that it says something
	// else than it did.
	truncated, altered bool
}

// do damages the target, whose file it is.
func (d damaged) do(t *testing.T, path string) {
	t.Helper()
	if d.truncated || d.altered {
		must(t, os.Chmod(path, 0o600)) // only root writes to a blob as it is
	}
	if d.truncated {
		must(t, os.Truncate(path, 10))
	}
	if d.altered {
		must(t, os.WriteFile(path, []byte(`{"config":{}}`), 0o600))
	}
}

func damagedDocuments() map[string]damaged {
	index := func(text string) damaged { return damaged{object: objectOf(ocispec.MediaTypeImageIndex, []byte(text))} }
	manifest := func(text string) damaged {
		return damaged{object: objectOf(ocispec.MediaTypeImageManifest, []byte(text))}
	}
	cut := index(`{"manifests":[]}`)
	cut.truncated = true
	other := manifest(`{"layers":[]}`)
	other.altered = true
	return map[string]damaged{
		"no JSON":           manifest(`{"config`),
		"another type":      manifest(`{"layers":"none"}`),
		"truncated":         cut,
		"altered":           other,
		"too large":         manifest(`{"annotations":{"a":"` + strings.Repeat("a", 8<<20) + `"}}`),
		"digest of nothing": index(`{"manifests":[{"size":3}]}`),
		"no digest":         index(`{"manifests":[{"digest":"../../etc/passwd"}]}`),
		"unknown algorithm": index(`{"manifests":[{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}]}`),
		"configuration":     manifest(`{"config":{"digest":"sha256:abc"}}`),
	}
}

// objectOf is an image of one document.
func objectOf(mediaType string, data []byte) fixture.Object {
	return fixture.Object{
		Target: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))},
		Blobs:  []fixture.Blob{{Data: data}},
	}
}

// An image whose documents are not what they should be is unreadable, goes by its
// ID, and stands in no other's way.
func TestDamagedDocuments(t *testing.T) {
	for name, damage := range damagedDocuments() {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			l.pull(t, "web", []string{"b"}, "docker.io/library/web:1")
			must(t, l.engine.Pull(t.Context(), damage.object, "", "docker.io/library/app:1"))
			damage.do(t, l.Blob(damage.object.Target.Digest))
			checkUnreadable(t, l.service, damage.object.Target.Digest)
			if diff := cmp.Diff([]string{"docker.io/library/web:1"}, l.records(t)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// checkUnreadable makes sure that an image is kept by a prune as unreadable, and can
// be deleted.
func checkUnreadable(t *testing.T, service *jettison.Service, id digest.Digest) {
	t.Helper()
	plan, err := service.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatalf("plan of a prune: %v", err)
	}
	unreadable := func(k jettison.Kept) bool { return k.Image == id && k.Why == jettison.WhyUnreadable }
	if !slices.ContainsFunc(plan.Kept(), unreadable) {
		t.Errorf("a prune keeps %v, want %s as unreadable", plan.Kept(), id)
	}
	if _, err := service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{}); err != nil {
		t.Errorf("deletion: %v", err)
	}
}

// What is remembered of documents is bounded, and nothing depends on it.
func TestForgottenDocuments(t *testing.T) {
	l := newLab(t, nil)
	app := fixture.NewObject(multi(), fixture.Snapshotter)
	must(t, l.engine.Pull(t.Context(), app, "", "docker.io/library/multi:1"))
	about := objectOf(ocispec.MediaTypeImageManifest, []byte(`{"subject":{"digest":"`+app.Target.Digest.String()+`"}}`))
	must(t, l.engine.Pull(t.Context(), about, "", "docker.io/library/about:1"))
	for _, limit := range []int{0, 400} {
		l.backend.Remember(limit)
		must(t, l.backend.View(t.Context(), func(stores jettison.Stores) error {
			if found, err := stores.Images.Referrers.Referrers(t.Context(), app.Target.Digest); err != nil || len(found) != 1 {
				t.Errorf("limit %d: referrers %v, %v", limit, found, err)
			}
			layer, err := stores.Images.Layer(t.Context(), storetest.ChainID("os", "amd"))
			if err != nil || layer.DiffID == "" {
				t.Errorf("limit %d: layer %+v, %v", limit, layer, err)
			}
			return nil
		}))
		plan, err := l.service.PlanDelete(t.Context(), []string{"multi:1"}, withoutArm())
		if err != nil || len(plan.Records()) == 0 {
			t.Errorf("limit %d: plan %v, %v", limit, plan, err)
		}
		if got := l.backend.Remembered(); got > limit/100 { // no document is that small
			t.Errorf("limit %d: %d documents are remembered", limit, got)
		}
	}
}

// An image that says by its manifest that it is about another one is about it as long
// as nothing of it is unpacked: what can be run is for its own sake.
func TestUnpackedImageIsAboutNothing(t *testing.T) {
	for _, unpacked := range []bool{false, true} {
		l := newLab(t, nil)
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		made := storetest.Spec{Name: "about", Layers: []string{"about"}}.Image()
		made.Manifest = bytes.Replace(fixture.Manifest(made), []byte("{"),
			fmt.Appendf(nil, `{"subject":{"mediaType":%q,"digest":%q,"size":1},`, ocispec.MediaTypeImageManifest, id), 1)
		o := fixture.NewObject(made, fixture.Snapshotter)
		if !unpacked {
			o.Chains = nil
		}
		must(t, l.engine.Pull(t.Context(), o, ""))
		records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
		must(t, err)
		went := slices.Contains(records, jettison.DeleteResponse{Deleted: o.Target.Digest.String()})
		if went == unpacked {
			t.Errorf("unpacked: %t, it goes with what it says that it is about: %t", unpacked, went)
		}
	}
}
