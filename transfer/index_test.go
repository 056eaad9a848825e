package transfer_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// remove deletes by name or ID and returns how many records there were.
func remove(t *testing.T, b jettison.Backend, ref string, opts jettison.RemoveOptions) []jettison.DeleteResponse {
	t.Helper()
	records, err := jettison.New(b, nil).ImageDelete(t.Context(), ref, opts)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// M1: an index is kept whole, as podman wrote it, and goes as one image.
func TestLoadIndexWhole(t *testing.T) {
	store := newStore(t)
	report := loadData(t, store, real(t, "oci-layout-podman-index.tar"))
	checkReport(t, store, report, []string{"multi:1.0"}, nil)
	if diff := cmp.Diff(report.Images[0].Platforms, []ocispec.Platform{linux("amd64"), linux("arm64")}); diff != "" {
		t.Errorf("platforms (-got +want):\n%s", diff)
	}
	index, err := store.Blob(t.Context(), report.Images[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(index)
	if got := digest.FromBytes(data); err != nil || got != report.Images[0].ID {
		t.Errorf("the index has the digest %s, error %v, want %s", got, err, report.Images[0].ID)
	}
	remove(t, store, "multi:1.0", jettison.RemoveOptions{})
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// M2: a platform is removed with its bytes; a layer that both have stays.
func TestRemovePlatform(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "oci-layout-podman-index.tar"))
	records := remove(t, store, "multi:1.0", jettison.RemoveOptions{Force: true, Platforms: []ocispec.Platform{linux("arm64")}})
	want := []jettison.DeleteResponse{{Deleted: "sha256:6a1c2cbbe868c81126ca1278e22d29993820b5da25399ba917bf2b7145c4a7b0"}}
	if diff := cmp.Diff(records, want); diff != "" {
		t.Errorf("records (-got +want):\n%s", diff)
	}
	checkStore(t, store)
	if damage, err := store.Verify(t.Context()); err != nil || damage != nil {
		t.Errorf("Verify = %v, %v", damage, err)
	}
	// Loading the archive again brings the whole index back beside the rest.
	loadData(t, store, real(t, "oci-layout-podman-index.tar"))
	checkStore(t, store)
}

// S2: what oras attached to an image goes with it, bytes and all.
func TestReferrersGoWithTheirSubject(t *testing.T) {
	store := newStore(t)
	report := loadData(t, store, real(t, "oci-layout-referrers.tar"))
	if len(report.Images) != 4 || report.Images[1].Subject == "" {
		t.Fatalf("loaded %+v, want an image and three artifacts with their subject", report.Images)
	}
	if records := remove(t, store, "app:signed", jettison.RemoveOptions{}); len(records) != 6 {
		t.Errorf("records %v, want a reference, four images and a layer", records)
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// An index of which the archive has a part is kept with that part; the rest comes
// with another archive.
func TestLoadPartOfIndex(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	l.list(l.indexOf(linux("amd64"), linux("arm64"), linux("s390x")), "multi:1")
	whole := pack(t, l.files()...)
	index := l.index.Manifests[0].Digest
	var members ocispec.Index
	decode(t, l.blobs[index], &members)
	delete(l.blobs, members.Manifests[1].Digest) // a manifest
	var last ocispec.Manifest
	decode(t, l.blobs[members.Manifests[2].Digest], &last)
	delete(l.blobs, last.Config.Digest) // a configuration
	report := loadData(t, store, pack(t, l.files()...))
	checkReport(t, store, report, []string{"multi:1"}, []string{
		"linux/arm64: listed by an index; the archive does not have it",
		"linux/s390x: listed by an index; the archive does not have all of it",
	})
	report = loadData(t, store, whole)
	checkReport(t, store, report, []string{"multi:1"}, nil)
	fresh := newStore(t)
	loadData(t, fresh, whole)
	if diff := cmp.Diff(dump(t, store), dump(t, fresh)); diff != "" {
		t.Errorf("the store differs from one that got it at once (-got +want):\n%s", diff)
	}
	for id := range l.blobs {
		if id != index {
			delete(l.blobs, id)
		}
	}
	path := writeFile(t, pack(t, l.files()...))
	_, err := transfer.Load(t.Context(), newStore(t), path, transfer.LoadOptions{})
	checkRefusal(t, err, path, badInput{want: "nothing is in the archive"})
}

// about makes an artifact that is about something.
func (l *layout) about(subject ocispec.Descriptor) ocispec.Descriptor {
	about := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/x-sig",
		Config: ocispec.DescriptorEmptyJSON, Subject: &subject, // its data lies in the descriptor
	}
	about.SchemaVersion = 2
	return l.addJSON(ocispec.MediaTypeImageManifest, about)
}

// With a platform asked for, only what is about the image that is taken comes.
func TestLoadPlatformWithReferrers(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	l.list(l.indexOf(linux("amd64"), linux("arm64")), "multi:1")
	var members ocispec.Index
	decode(t, l.blobs[l.index.Manifests[0].Digest], &members)
	for _, subject := range members.Manifests {
		l.list(l.about(subject), "")
	}
	report := load(t, store, writeFile(t, pack(t, l.files()...)), amd64())
	checkReport(t, store, report, []string{"multi:1", report.Images[1].ID.Encoded()[:12]}, []string{
		"linux/arm64: of an index, one platform is loaded: linux/amd64",
		`: artifact of type "application/x-sig", no image`,
	})
	if got := report.Images[1].Subject; got != members.Manifests[0].Digest {
		t.Errorf("the artifact is about %s, want %s", got, members.Manifests[0].Digest)
	}
	remove(t, store, "multi:1", jettison.RemoveOptions{})
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// S5: a signature that cosign wrote is known by its tag.
func TestLoadTagSchema(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	image := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
	l.list(image, "app:1")
	signature := l.add("application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}"))
	l.list(l.imageOf(configOf(linux("amd64"), signature.Digest), signature), "app:sha256-"+image.Digest.Encoded()+".sig")
	loadData(t, store, pack(t, l.files()...))
	if records := remove(t, store, "app:1", jettison.RemoveOptions{}); len(records) != 5 {
		t.Errorf("records %v, want those of the signature too", records)
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
