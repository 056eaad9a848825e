package ocilayout_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

// putReferrer writes an artifact about another manifest and returns its
// descriptor.
func putReferrer(t testing.TB, dir, text string, subject ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	subject.Platform = nil
	layer := put(t, dir, "text/plain", []byte(text))
	write(t, blobPath(dir, ocispec.DescriptorEmptyJSON.Digest), ocispec.DescriptorEmptyJSON.Data)
	return put(t, dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.example.signature", Config: ocispec.DescriptorEmptyJSON,
		Layers: []ocispec.Descriptor{layer}, Subject: &subject,
	})
}

// signedLayout has app:1.0 with a signature, and a signature of that.
func signedLayout(t testing.TB, more func(dir string, app, signature ocispec.Descriptor) []ocispec.Descriptor) string {
	return newLayout(t, func(dir string) []ocispec.Descriptor {
		app := putImage(t, dir, faultImage(1))
		signature := putReferrer(t, dir, "signature", app)
		list := []ocispec.Descriptor{named(app, "app:1.0"), signature, putReferrer(t, dir, "of the signature", signature)}
		if more != nil {
			list = append(list, more(dir, app, signature)...)
		}
		return list
	})
}

// counts are how many records there are of each sort.
func counts(records []jettison.DeleteResponse) (untagged, deleted int) {
	for _, r := range records {
		if r.Untagged != "" {
			untagged++
		} else {
			deleted++
		}
	}
	return untagged, deleted
}

// The last reference to an image takes what is about it along, and what is about
// that, in the order of the chain; nothing is left on the disk (S2).
func TestReferrersGoWithTheirSubject(t *testing.T) {
	dir := unpack(t, "oci-layout-referrers.tar")
	records, err := jettison.New(open(t, dir), nil).ImageDelete(t.Context(), "app:signed", jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Untagged: app:signed", "Deleted: sha256:184f", "Deleted: sha256:0c99", "Deleted: sha256:c0be", "Deleted: sha256:e9c5",
	}
	if diff := cmp.Diff(want, among(short(records), want)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// among keeps the texts that are among those wanted: layers are left out.
func among(got, want []string) []string {
	return slices.DeleteFunc(got, func(text string) bool { return !slices.Contains(want, text) })
}

// What is about an image that is there is no garbage, neither in a prune of
// dangling images nor, when the image is in use, in one of all (S1).
func TestReferrersStayWithTheirSubject(t *testing.T) {
	for _, opts := range []jettison.PruneOptions{{}, {All: true, Policy: jettison.Policy{Protect: []string{"app"}}}} {
		dir := signedLayout(t, nil)
		before := files(t, dir)
		opts.Explain = true
		report, err := jettison.New(open(t, dir), nil).ImagesPrune(t.Context(), opts)
		if err != nil || len(report.ImagesDeleted) != 0 {
			t.Errorf("got %v, %v, want nothing deleted", report, err)
		}
		about := 0
		for _, k := range report.Kept {
			if k.Why == jettison.WhyReferrer {
				about++
			}
		}
		if about != 2 {
			t.Errorf("kept: %v, want two for what they are about", report.Kept)
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Errorf("files (-before +after):\n%s", diff)
		}
	}
}

// A prune of all images takes an image and what is about it.
func TestPruneTakesReferrersAlong(t *testing.T) {
	dir := signedLayout(t, nil)
	report, err := jettison.New(open(t, dir), nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if untagged, deleted := counts(report.ImagesDeleted); untagged != 1 || deleted != 5 { // three images, two layers
		t.Errorf("records: %v", report.ImagesDeleted)
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A referrer with a tag of its own stays when its subject goes, and the report
// says why (S3). Afterwards it is an image like any other.
func TestTaggedReferrerStays(t *testing.T) {
	dir := signedLayout(t, func(dir string, app, _ ocispec.Descriptor) []ocispec.Descriptor {
		return []ocispec.Descriptor{named(putReferrer(t, dir, "tagged", app), "app:sbom")}
	})
	service := jettison.New(open(t, dir), nil)
	reports, err := service.ImagesDelete(t.Context(), []string{"app:1.0"}, jettison.RemoveOptions{})
	if err != nil || len(reports[0].Kept) != 1 || !strings.Contains(reports[0].Kept[0].String(), "app:sbom") {
		t.Errorf("got %+v, %v, want app:sbom kept for its reference", reports, err)
	}
	report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if untagged, deleted := counts(report.ImagesDeleted); err != nil || untagged != 1 || deleted != 1 {
		t.Errorf("prune: got %v, %v, want app:sbom gone", report.ImagesDeleted, err)
	}
}

// A referrer that loses its own tag stays as long as what it is about is there
// (S1); by its ID it goes.
func TestUntaggedReferrerStays(t *testing.T) {
	var sbom ocispec.Descriptor
	dir := signedLayout(t, func(dir string, app, _ ocispec.Descriptor) []ocispec.Descriptor {
		sbom = putReferrer(t, dir, "tagged", app)
		return []ocispec.Descriptor{named(sbom, "app:sbom")}
	})
	service := jettison.New(open(t, dir), nil)
	reports, err := service.ImagesDelete(t.Context(), []string{"app:sbom"}, jettison.RemoveOptions{})
	if err != nil || len(reports[0].Records) != 1 || len(reports[0].Kept) != 1 || reports[0].Kept[0].Why != jettison.WhyReferrer {
		t.Errorf("got %+v, %v, want it untagged and kept", reports, err)
	}
	records, err := service.ImageDelete(t.Context(), sbom.Digest.String(), jettison.RemoveOptions{})
	if untagged, deleted := counts(records); err != nil || untagged != 0 || deleted != 1 {
		t.Errorf("by ID: got %v, %v", records, err)
	}
}

// What is about an image that is missing stays and is reported, and goes when it
// is asked for (S4).
func TestOrphans(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		missing := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("missing"), Size: 7}
		return []ocispec.Descriptor{putReferrer(t, dir, "orphan", missing), putImage(t, dir, faultImage(2))}
	})
	service := jettison.New(open(t, dir), nil)
	for _, opts := range []jettison.PruneOptions{{}, {All: true}} {
		report, err := service.ImagesPrune(t.Context(), opts)
		if err != nil || len(report.Kept) != 1 || report.Kept[0].Why != jettison.WhyOrphaned {
			t.Errorf("%+v: got %v, %v, want the orphan kept and reported", opts, report, err)
		}
	}
	report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{Filters: filter.Args{filter.Orphaned: {"true"}}})
	if _, deleted := counts(report.ImagesDeleted); err != nil || deleted != 1 {
		t.Errorf("orphaned=true: got %v, %v, want it gone", report, err)
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A tag of the referrers tag schema, or one that cosign makes of it, links an
// image to its subject and does not hold it (S5). Two that are about each other
// go together.
func TestTagSchema(t *testing.T) {
	about := func(subject ocispec.Descriptor, ending string) string {
		return "app:sha256-" + subject.Digest.Encoded() + ending
	}
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		app, signature, sbom := putImage(t, dir, faultImage(1)), putImage(t, dir, faultImage(2)), putImage(t, dir, faultImage(3))
		return []ocispec.Descriptor{
			named(app, "app:1.0"), named(signature, about(app, ".sig")), named(sbom, about(app, "")),
			named(app, about(signature, ".att")), // in a circle
		}
	})
	service := jettison.New(open(t, dir), nil)
	if report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{}); err != nil || len(report.ImagesDeleted) != 0 {
		t.Errorf("prune: got %v, %v, want nothing deleted", report, err)
	}
	records, err := service.ImageDelete(t.Context(), faultImage(1).ID().String(), jettison.RemoveOptions{Force: true})
	if untagged, deleted := counts(records); err != nil || untagged != 4 || deleted != 3+4 { // three images, four layers
		t.Errorf("got %v, %v", records, err)
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What is about a manifest that two images hold goes with the last of them (S2).
func TestReferrerOfTwo(t *testing.T) {
	dir := signedLayout(t, func(dir string, app, _ ocispec.Descriptor) []ocispec.Descriptor {
		return []ocispec.Descriptor{named(putIndex(t, dir, app, putImage(t, dir, faultImage(5))), "multi:1.0")}
	})
	service := jettison.New(open(t, dir), nil)
	records, err := service.ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{})
	if untagged, deleted := counts(records); err != nil || untagged != 1 || deleted != 1 {
		t.Errorf("the first: got %v, %v, want the image alone", records, err)
	}
	if _, err := service.ImageDelete(t.Context(), "multi:1.0", jettison.RemoveOptions{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
