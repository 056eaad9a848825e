package containerd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// multi is an index for two platforms that share a layer.
func multi() storetest.Image {
	return storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{
		{Name: "amd", Layers: []string{"os", "amd"}, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}},
		{Name: "arm", Layers: []string{"os", "arm"}, Platform: ocispec.Platform{OS: "linux", Architecture: "arm64"}},
	}}.Image()
}

// withoutArm takes one of the two out.
func withoutArm() jettison.RemoveOptions {
	return jettison.RemoveOptions{Force: true, Platforms: []ocispec.Platform{{OS: "linux", Architecture: "arm64"}}}
}

// The removal of a platform is tried with each of its calls failing: every name
// means the old index or the new one, each with all that it needs, and a second
// try completes it.
func TestPlatformFaults(t *testing.T) {
	opts := withoutArm()
	for _, late := range []bool{false, true} {
		calls := []string{""} // none fails at first, to tell which there are
		for n := 0; n < len(calls); n++ {
			l := newLab(t, nil)
			o := fixture.NewObject(multi(), fixture.Snapshotter)
			if err := l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1", "docker.io/library/multi:2"); err != nil {
				t.Fatal(err)
			}
			l.meter.restart(calls[n], late)
			_, err := l.service.ImageDelete(t.Context(), "multi:1", opts)
			if n == 0 {
				calls = append(calls, l.meter.calls...)
			}
			l.meter.failing = ""
			if err != nil && !slices.Equal(scripttest.Classes(err), []string{"Unavailable"}) {
				t.Errorf("%s fails: classes %v of %v", calls[n], scripttest.Classes(err), err)
			}
			l.collect(t)
			l.checkComplete(t, fmt.Sprintf("%s fails, late %t", calls[n], late))
			for _, name := range []string{"multi:1", "multi:2"} {
				_, err := l.service.ImageDelete(t.Context(), name, opts)
				if err != nil && !errors.Is(err, jettison.ErrNotFound) { // no such platform any more
					t.Errorf("%s failed, and the second try: %v", calls[n], err)
				}
			}
			l.checkComplete(t, fmt.Sprintf("%s failed, late %t, and again", calls[n], late))
			if left := l.targets(t); len(left) != 1 || left[0] == o.Target.Digest {
				t.Errorf("%s failed, late %t: targets after a second try: %v", calls[n], late, left)
			}
		}
	}
}

// A process that dies while it takes a platform out leaves a lease behind, which
// keeps the image only for a while.
func TestLeaseLeftBehindExpires(t *testing.T) {
	l := newLab(t, nil)
	must(t, l.engine.Pull(t.Context(), fixture.NewObject(multi(), fixture.Snapshotter), "", "docker.io/library/multi:1"))
	l.meter.before = func(name string) {
		if name == "leases.Delete" {
			l.meter.failNext(name)
		}
	}
	_, err := l.service.ImageDelete(t.Context(), "multi:1", withoutArm())
	wantRefusal(t, err, jettison.ErrUnavailable, "end lease")
	left, err := l.Services.Leases.List(l.engine.In(t.Context()))
	must(t, err)
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	l.meter.before = nil
	l.open(t, &containerd.Options{Now: later})
	if _, err := l.service.ImageDelete(t.Context(), "multi:1", jettison.RemoveOptions{}); err != nil || len(left) == 0 {
		t.Errorf("deletion two hours after that: %v; leases left behind: %v", err, left)
	}
}

// The record that keeps an index without a name is made anew when a platform goes.
// When the old one is still there after a failure, a second try does the rest.
func TestPlatformOfAnImageWithoutName(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(multi(), fixture.Snapshotter)
	must(t, l.engine.Pull(t.Context(), o, ""))
	l.meter.before = func(name string) {
		if name == "images.Delete" {
			l.meter.failNext(name)
		}
	}
	id := o.Target.Digest.String()
	_, err := l.service.ImageDelete(t.Context(), id, withoutArm())
	wantRefusal(t, err, jettison.ErrUnavailable, "")
	l.meter.before = nil
	if _, err := l.service.ImageDelete(t.Context(), id, withoutArm()); err != nil {
		t.Errorf("a second try: %v", err)
	}
	left := l.targets(t)
	if len(left) != 1 || left[0] == o.Target.Digest {
		t.Fatalf("targets after a second try: %v", left)
	}
	if diff := cmp.Diff([]string{fixture.Dangling(left[0])}, l.records(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// An index that lists one index twice, which lists the next twice, and so on, is
// looked at once on each level, and no deeper than indexes may lie in each other.
func TestPlatformBesideManyPaths(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(multi(), fixture.Snapshotter)
	many := objectOf(ocispec.MediaTypeImageManifest, []byte(`{"layers":[]}`))
	for range 64 {
		many = indexOf(many.Blobs, many.Target, many.Target)
	}
	o = indexOf(append(o.Blobs, many.Blobs...), o.Target, many.Target)
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	records, err := l.service.ImageDelete(ctx, "multi:1", withoutArm())
	if err != nil || len(records) == 0 {
		t.Errorf("got %v, %v", records, err)
	}
}

// Of an index mostly one platform is pulled. One that is not there can be taken out,
// and the index goes as a whole.
func TestPlatformThatIsNotThere(t *testing.T) {
	l := newLab(t, nil)
	o, part := fixture.NewObject(multi(), fixture.Snapshotter), fixture.NewObject(multi().Images[0], fixture.Snapshotter)
	o.Blobs, o.Chains = append(part.Blobs, o.Blobs[len(o.Blobs)-1]), part.Chains
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	records, err := l.service.ImageDelete(t.Context(), "multi:1", withoutArm())
	must(t, err)
	if diff := cmp.Diff([]jettison.DeleteResponse{{Deleted: multi().Images[1].ManifestDigest().String()}}, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	l.checkComplete(t, "what was not there is taken out")
	l.reclaims(t, "multi:1")
	if left := l.diskUsage(t); left != 0 {
		t.Errorf("%d bytes are left", left)
	}
}

// What an index names by a label it goes on naming when it is written anew, be it there
// or not: it may be pulled meanwhile.
func TestPlatformThatMayCome(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(multi(), fixture.Snapshotter)
	o.Blobs, o.Chains = o.Blobs[len(o.Blobs)-1:], nil
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	_, err := l.service.ImageDelete(t.Context(), "multi:1", withoutArm())
	must(t, err)
	info, err := l.Services.Content.Info(l.engine.In(t.Context()), l.targets(t)[0])
	must(t, err)
	want := map[string]string{"containerd.io/gc.ref.content.m.0": multi().Images[0].ManifestDigest().String()}
	if diff := cmp.Diff(want, info.Labels); diff != "" {
		t.Errorf("labels of the new index (-want +got):\n%s", diff)
	}
}

// The labels of an index may name only some of what it lists and is there, when one
// platform was imported. An index that is written anew keeps all that it lists.
func TestPlatformOfPartlyLabelledIndex(t *testing.T) {
	l := newLab(t, nil)
	made := multi()
	o := fixture.NewObject(made, fixture.Snapshotter)
	for label, value := range o.Blobs[len(o.Blobs)-1].Labels {
		if value != made.Images[0].ManifestDigest().String() {
			delete(o.Blobs[len(o.Blobs)-1].Labels, label)
		}
	}
	must(t, l.engine.Pull(t.Context(), fixture.NewObject(made.Images[1], fixture.Snapshotter), "", "docker.io/library/arm:1"))
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	amd := jettison.RemoveOptions{Force: true, Platforms: []ocispec.Platform{{OS: "linux", Architecture: "amd64"}}}
	_, err := l.service.ImageDelete(t.Context(), "multi:1", amd)
	must(t, err)
	records, err := l.service.ImageDelete(t.Context(), "arm:1", jettison.RemoveOptions{})
	if err != nil || len(records) != 2 {
		t.Errorf("got %v, %v, want a name and an image, for the index needs the rest", records, err)
	}
	l.collect(t)
	l.checkComplete(t, "the other platform was imported")
}

// So does one whose labels have been lost.
func TestPlatformOfUnlabelledIndex(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(multi(), fixture.Snapshotter)
	o.Blobs[len(o.Blobs)-1].Labels = nil
	must(t, l.engine.Pull(t.Context(), fixture.NewObject(multi().Images[0], fixture.Snapshotter), "", "docker.io/library/amd:1"))
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	_, err := l.service.ImageDelete(t.Context(), "multi:1", withoutArm())
	must(t, err)
	_, err = l.service.ImageDelete(t.Context(), "amd:1", jettison.RemoveOptions{})
	must(t, err)
	l.collect(t)
	l.checkComplete(t, "the labels were lost")
}

// What makes an index a root of the garbage collector is not handed on to the one that
// takes its place, for it would never go.
func TestPlatformOfARoot(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(multi(), fixture.Snapshotter)
	o.Blobs[len(o.Blobs)-1].Labels["containerd.io/gc.root"] = "2017-12-07T12:00:00Z"
	must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/multi:1"))
	_, err := l.service.ImageDelete(t.Context(), "multi:1", withoutArm())
	must(t, err)
	next := l.targets(t)[0]
	_, err = l.service.ImageDelete(t.Context(), "multi:1", jettison.RemoveOptions{})
	must(t, err)
	if _, err := l.Services.Content.Info(l.engine.In(t.Context()), next); err == nil {
		t.Error("the new index is left")
	}
}

// indexOf is an index of what is described, with this content.
func indexOf(blobs []fixture.Blob, entries ...ocispec.Descriptor) fixture.Object {
	labels := make(map[string]string)
	var texts []string
	for i, entry := range entries {
		labels[fmt.Sprintf("containerd.io/gc.ref.content.m.%d", i)] = entry.Digest.String()
		texts = append(texts, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, entry.MediaType, entry.Digest, entry.Size))
	}
	o := objectOf(ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[`+strings.Join(texts, ",")+`]}`))
	o.Blobs[0].Labels = labels
	o.Blobs = append(slices.Clone(blobs), o.Blobs...)
	return o
}

// targets are those that are named, sorted, each once.
func (l *lab) targets(t *testing.T) []digest.Digest {
	t.Helper()
	records, err := l.Services.Images.List(l.engine.In(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var found []digest.Digest
	for _, record := range records {
		found = append(found, record.Target.Digest)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// checkComplete makes sure that every image has all the content that its index
// lists.
func (l *lab) checkComplete(t *testing.T, when string) {
	t.Helper()
	err := l.backend.View(t.Context(), func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			for _, m := range img.Manifests {
				if len(m.Content) < 2 || m.Layer == "" {
					t.Errorf("%s: manifest %s of %s has content %v and layer %q", when, m.Digest, img.ID, m.Content, m.Layer)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", when, err)
	}
}
