package transfer_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

func platform(os, architecture, variant string) ocispec.Platform {
	return ocispec.Platform{OS: os, Architecture: architecture, Variant: variant}
}

// indexOf makes an index of images for these platforms.
func (l *layout) indexOf(platforms ...ocispec.Platform) ocispec.Descriptor {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, p := range platforms {
		index.Manifests = append(index.Manifests, l.image(p, ocispec.MediaTypeImageLayerGzip, gzipped))
	}
	return l.addJSON(ocispec.MediaTypeImageIndex, index)
}

// Of an index the image that serves best is taken.
func TestLoadPlatform(t *testing.T) {
	arms := []ocispec.Platform{platform("linux", "arm", "v6"), platform("linux", "arm", "v7"), platform("linux", "arm64", "v8")}
	pcs := []ocispec.Platform{platform("windows", "amd64", ""), platform("linux", "amd64", "v3"), platform("linux", "amd64", "")}
	tests := []struct {
		name string
		have []ocispec.Platform
		want ocispec.Platform
		take int // -1 when none serves
		err  string
	}{
		{name: "exact", have: arms, want: arms[1], take: 1},
		{name: "lower variant", have: arms, want: arms[0], take: 0},
		{name: "highest variant", have: arms, want: platform("linux", "arm", "v8"), take: 1},
		{name: "architecture before variant", have: []ocispec.Platform{platform("linux", "arm", "v8"), linux("arm64")}, want: linux("arm64"), take: 1},
		{name: "variant that the machine lacks", have: pcs, want: platform("linux", "amd64", ""), take: 2},
		{name: "better variant", have: pcs, want: platform("linux", "amd64", "v4"), take: 1},
		{name: "other system", have: pcs, want: platform("windows", "amd64", ""), take: 0},
		{name: "none", have: arms, want: linux("s390x"), take: -1, err: "has no image for linux/s390x, only for linux/arm/v6, linux/arm/v7, linux/arm64/v8"},
		{name: "not the only one", have: arms[:1], want: linux("s390x"), take: -1, err: "has no image for linux/s390x, only for linux/arm/v6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, store := newLayout(t), newStore(t)
			l.list(l.indexOf(tt.have...), "multi:1")
			path := writeFile(t, pack(t, l.files()...))
			report, err := transfer.Load(t.Context(), store, path, transfer.LoadOptions{Platform: tt.want})
			if tt.take < 0 {
				checkRefusal(t, err, path, badInput{want: tt.err})
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := report.Images[0].Platform; !cmp.Equal(got, tt.have[tt.take]) || len(report.Images) != 1 {
				t.Errorf("took %v of %d, want %v", got, len(report.Images), tt.have[tt.take])
			}
			if len(report.Skipped) != len(tt.have)-1 {
				t.Errorf("skipped %+v, want the %d others", report.Skipped, len(tt.have)-1)
			}
			checkStore(t, store)
		})
	}
}

// Images of other platforms need not be in the archive: engines leave out what
// they have not pulled.
func TestLoadSparseIndex(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	l.list(l.indexOf(linux("arm64")), "")
	for id := range l.blobs {
		if id != l.index.Manifests[0].Digest {
			delete(l.blobs, id)
		}
	}
	var index ocispec.Index
	if err := json.Unmarshal(l.blobs[l.index.Manifests[0].Digest], &index); err != nil {
		t.Fatal(err)
	}
	index.Manifests = append(index.Manifests, l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs))
	l.index.Manifests = nil
	l.list(l.addJSON(ocispec.MediaTypeImageIndex, index), "sparse:1")
	report := load(t, store, writeFile(t, pack(t, l.files()...)), amd64())
	checkReport(t, store, report, []string{"sparse:1"}, []string{"linux/arm64: of an index, one platform is loaded: linux/amd64"})
}

// Indexes lie in indexes, list the same thing twice, have attestations in the
// form of images, and images that do not tell their platform.
func TestLoadIndexOddities(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	image := l.image(linux("amd64"), ocispec.MediaTypeImageLayerZstd, zstandard)
	image.Platform = nil
	attestation := l.image(platform("unknown", "unknown", ""), ocispec.MediaTypeImageLayer, asIs)
	inner := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{image, attestation, image}}
	inner.SchemaVersion = 2
	nested := l.addJSON(ocispec.MediaTypeImageIndex, inner)
	thing := l.add("application/x-thing", []byte("thing"))
	outer := ocispec.Index{Manifests: []ocispec.Descriptor{nested, thing, nested}}
	outer.SchemaVersion = 2
	l.list(l.addJSON("application/vnd.docker.distribution.manifest.list.v2+json", outer), "nested:1")
	report := load(t, store, writeFile(t, pack(t, l.files()...)), transfer.LoadOptions{})
	checkReport(t, store, report, []string{"nested:1"}, []string{
		`: media type "application/x-thing" is neither an image nor an index`,
	})
}

// As deep as indexes may lie in each other.
func TestLoadNestedIndexes(t *testing.T) {
	store := newStore(t)
	checkReport(t, store, loadData(t, store, nested(t, 8)), []string{"nested:1"}, nil)
}

// Each way in which an image may be named, and what is no name.
func TestLoadNames(t *testing.T) {
	const containerd, spec = "io.containerd.image.name", ocispec.AnnotationRefName
	tests := []struct {
		name        string
		annotations map[string]string
		want        string // empty for none
		skipped     string
	}{
		{name: "full", annotations: map[string]string{spec: "docker.io/library/app:1"}, want: "app:1"},
		{name: "familiar", annotations: map[string]string{spec: "app:1"}, want: "app:1"},
		{name: "no tag", annotations: map[string]string{spec: "localhost/app"}, want: "localhost/app:latest"},
		{name: "containerd's first", annotations: map[string]string{spec: "other:2", containerd: "example.com/app:1"}, want: "example.com/app:1"},
		{name: "containerd's and a tag", annotations: map[string]string{spec: "1", containerd: "example.com/app:1"}, want: "example.com/app:1"},
		{name: "containerd's malformed", annotations: map[string]string{spec: "app:1", containerd: "App:1"}, want: "app:1"},
		{name: "a tag", annotations: map[string]string{spec: "latest"}, skipped: "latest"},
		{name: "a version", annotations: map[string]string{spec: "1.0"}, skipped: "1.0"},
		{name: "malformed", annotations: map[string]string{spec: "App:1"}, skipped: "App:1"},
		{name: "a digest", annotations: map[string]string{spec: "app@" + p1}, skipped: "app@" + p1},
		{name: "an ID", annotations: map[string]string{spec: p1}, skipped: p1},
		{name: "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, store := newLayout(t), newStore(t)
			desc := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
			desc.Annotations = tt.annotations
			l.list(desc, "")
			report := loadData(t, store, pack(t, l.files()...))
			want := []string{tt.want}
			if tt.want == "" {
				want = []string{report.Images[0].ID.Encoded()[:12]}
			}
			var skipped []string
			if tt.skipped != "" {
				skipped = []string{tt.skipped + ": not the full name of a repository with a tag"}
			}
			checkReport(t, store, report, want, skipped)
		})
	}
}

// One name for two images goes to the later one.
func TestLoadNameTwice(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	l.list(l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs), "app:1")
	l.list(l.image(linux("arm64"), ocispec.MediaTypeImageLayer, asIs), "app:1")
	report := loadData(t, store, pack(t, l.files()...))
	first := report.Images[0].ID.Encoded()[:12]
	checkReport(t, store, report, []string{first, "app:1"}, []string{"app:1: a later image in the archive has the same name"})
	if report.Moved != nil {
		t.Errorf("moved = %+v, want none", report.Moved)
	}
}

// Artifacts that borrow the form of an image are known by what they are about
// or by their content.
func TestLoadSkipsArtifacts(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	image := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
	l.list(image, "app:1")
	signature := l.add("application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}"))
	l.list(l.imageOf(configOf(linux("amd64"), signature.Digest), signature), "")
	about := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: l.addJSON(ocispec.MediaTypeImageConfig, configOf(linux("amd64"))), Subject: &image}
	about.SchemaVersion = 2
	l.list(l.addJSON(ocispec.MediaTypeImageManifest, about), "")
	report := loadData(t, store, pack(t, l.files()...))
	checkReport(t, store, report, []string{"app:1", report.Images[1].ID.Encoded()[:12]}, []string{
		`: artifact with content of type "application/vnd.dev.cosign.simplesigning.v1+json", no image`,
	})
	if got := report.Images[1].Subject; got != image.Digest {
		t.Errorf("subject = %s, want %s", got, image.Digest)
	}
}

// A manifest may name its configuration by another digest than the one that is the
// image's ID. The ID leads to it all the same, and the manifest is kept.
func TestConfigurationByAnotherDigest(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	config := toJSON(t, configOf(linux("amd64")))
	named := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.SHA512.FromBytes(config), Size: int64(len(config))}
	l.blobs[named.Digest] = config
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: named, Layers: []ocispec.Descriptor{}}
	manifest.SchemaVersion = 2
	kept := l.addJSON(ocispec.MediaTypeImageManifest, manifest)
	l.list(kept, "app:1")
	report := loadData(t, store, pack(t, l.files()...))
	if got, want := report.Images[0].ID, digest.FromBytes(config); got != want {
		t.Errorf("ID = %s, want %s", got, want)
	}
	save(t, store, transfer.DockerArchive, "app:1")
	again := newStore(t)
	load(t, again, save(t, store, transfer.OCIArchive, "app:1"), transfer.LoadOptions{})
	if _, err := again.Blob(t.Context(), kept.Digest); err != nil {
		t.Errorf("the manifest of the image: %v", err)
	}
	if findings, err := store.Check(t.Context(), diskstore.CheckOptions{Content: true}); err != nil || len(findings) > 0 {
		t.Errorf("Check = %v, %v", findings, err)
	}
}

// Content may be named by other digests than SHA-256, a foreign layer may be
// there all the same, and an image may have no layers.
func TestLoadUnusualImages(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	content := pack(t, file{name: "f"})
	layer := func(mediaType string, data []byte) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.SHA512.FromBytes(data), Size: int64(len(data))}
		l.blobs[desc.Digest] = data
		return desc
	}
	l.list(l.imageOf(configOf(linux("amd64"), digest.SHA512.FromBytes(content)), layer(ocispec.MediaTypeImageLayer, content)), "sha512:1")
	l.list(l.imageOf(configOf(linux("amd64"), digest.FromBytes(content)), layer(ocispec.MediaTypeImageLayerGzip, gzipped(t, content))), "mixed:1")
	l.list(l.imageOf(configOf(linux("arm64"), digest.FromBytes(content)), l.add("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", zstandard(t, content))), "foreign:1")
	l.list(l.imageOf(configOf(linux("amd64"))), "empty:1")
	report := loadData(t, store, pack(t, l.files()...))
	if diff := cmp.Diff(describe(report), []string{"sha512:1", "mixed:1", "foreign:1", "empty:1"}); diff != "" {
		t.Errorf("images (-got +want):\n%s", diff)
	}
	if damage, err := store.Verify(t.Context()); err != nil || damage != nil {
		t.Errorf("Verify = %v, %v", damage, err)
	}
}
