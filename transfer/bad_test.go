package transfer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// Parts of the names of entries in docker-archive.tar and in
// oci-layout-skopeo.tar.
const (
	baseLayer  = "d80a2a27f71a630e0e97158ad9bd77b5493525336f0931f002d3f3cab9f7a891"
	baseConfig = "b37c0771e9c9"
	ociBlob    = "42d6ac5d1c93" // the layer of base:1.0, compressed
	ociConfig  = "8d8b6b2fd073"
)

// A badInput is an archive that must be refused.
type badInput struct {
	name string
	data []byte
	want string // part of the error's text
	is   error  // what it wraps, if that is of interest
}

func TestLoadBadArchive(t *testing.T) {
	for _, group := range []func(testing.TB) []badInput{badFiles, badDocker, badLinks, badLayouts, badImages} {
		for _, tt := range group(t) {
			t.Run(tt.name, func(t *testing.T) {
				store := newStore(t)
				loadData(t, store, real(t, "podman-docker-archive.tar"))
				before, path := dump(t, store), writeFile(t, tt.data)
				report, err := transfer.Load(t.Context(), store, path, amd64())
				checkRefusal(t, err, path, tt)
				if report != nil {
					t.Errorf("report = %+v, want none", report)
				}
				if diff := cmp.Diff(dump(t, store), before); diff != "" {
					t.Errorf("store changed (-got +want):\n%s", diff)
				}
			})
		}
	}
}

func checkRefusal(t *testing.T, err error, path string, tt badInput) {
	t.Helper()
	var archive *transfer.ArchiveError
	if !errors.As(err, &archive) || archive.Path != path || !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Fatalf("err = %v, want an ArchiveError of %s", err, path)
	}
	for _, other := range []error{jettison.ErrNotFound, jettison.ErrConflict, jettison.ErrUnavailable, jettison.ErrInternal} {
		if errors.Is(err, other) { // E1
			t.Errorf("err = %v is also of class %v", err, other)
		}
	}
	if !strings.Contains(err.Error(), tt.want) {
		t.Errorf("err = %v, want %q in it", err, tt.want)
	}
	if tt.is != nil && !errors.Is(err, tt.is) {
		t.Errorf("err = %v, want it to wrap %v", err, tt.is)
	}
}

func badFiles(t testing.TB) []badInput {
	whole := real(t, "docker-archive.tar")
	zipped := gzipped(t, whole)
	damaged := bytes.Clone(zipped)
	damaged[len(damaged)-6] ^= 1
	return []badInput{
		{"empty", nil, "is empty", nil},
		{"compressed nothing", gzipped(t, nil), "is empty", nil},
		{"text", []byte(strings.Repeat("no archive at all\n", 100)), "is no tar archive", nil},
		{"short text", []byte("hello"), ": is no tar archive", nil},
		{"short text, compressed", gzipped(t, []byte("hello")), ": is no tar archive", nil},
		{"compressed twice", gzipped(t, zipped), ": is no tar archive, plain or compressed once", nil},
		{"compressed text", zstandard(t, []byte(strings.Repeat("text", 1000))), "is no tar archive", nil},
		{"no entries", make([]byte, 1024), "holds no images", nil},
		{"root file system", real(t, "rootfs.tar"), "holds no images", nil},
		{"xz", []byte("\xfd7zXZ\x00" + strings.Repeat("x", 600)), "only gzip and zstd", nil},
		{"bzip2", []byte("BZh9" + strings.Repeat("x", 600)), "only gzip and zstd", nil},
		{"truncated in an entry", whole[:30000], "ends too early, it is truncated (after entry 5323c68d", io.ErrUnexpectedEOF},
		{"larger than any file", tooLarge(t), "ends too early", io.ErrUnexpectedEOF},
		{"truncated in a header", whole[:700], "ends too early", io.ErrUnexpectedEOF},
		{"truncated gzip", zipped[:len(zipped)-1000], "ends too early", io.ErrUnexpectedEOF},
		{"truncated gzip header", zipped[:5], "ends too early", io.ErrUnexpectedEOF},
		{"damaged gzip", damaged, "gzip", nil},
		{"truncated zstd", zstandard(t, whole)[:3000], "ends too early", io.ErrUnexpectedEOF},
		{"damaged header", append(bytes.Clone(whole[:512]), bytes.Repeat([]byte{7}, 4096)...), "damaged after entry 1540bb", nil},
		{"path upwards", pack(t, append(unpack(t, whole), file{name: "../evil"})...), `path "../evil" leaves the directory`, nil},
		{"path upwards on the way", pack(t, append(unpack(t, whole), file{name: "a/../../evil"})...), "leaves the directory", nil},
		{"absolute path", pack(t, append(unpack(t, whole), file{name: "/etc/passwd"})...), "leaves the directory", nil},
	}
}

// tooLarge is an archive whose entry says that it has an exabyte.
func tooLarge(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := tar.NewWriter(&out).WriteHeader(&tar.Header{Name: "layer.tar", Size: 1 << 60, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), "layer"...)
}

// edited is a tar archive made by an engine in which the entries whose name
// contains part are changed.
func edited(t testing.TB, archive, part string, edit func(file) *file) []byte {
	t.Helper()
	return pack(t, change(t, unpack(t, real(t, archive)), part, edit)...)
}

func gone(file) *file { return nil }

func body(text string) func(file) *file {
	return func(f file) *file { return &file{name: f.name, body: []byte(text)} }
}

// flipped changes one byte.
func flipped(f file) *file {
	f.body = bytes.Clone(f.body)
	f.body[len(f.body)/2] ^= 1
	return &f
}

func cut(f file) *file {
	f.body = f.body[:len(f.body)-512]
	return &f
}

func replaced(old, text string) func(file) *file {
	return func(f file) *file {
		return &file{name: f.name, body: bytes.ReplaceAll(f.body, []byte(old), []byte(text))}
	}
}

func badDocker(t testing.TB) []badInput {
	bad := func(part string, edit func(file) *file) []byte { return edited(t, "docker-archive.tar", part, edit) }
	long := `["` + strings.Repeat("x", 5<<20) + `"]`
	return []badInput{
		{"manifest is no JSON", bad("manifest.json", body("{")), "manifest.json: is not a list of images: unexpected end", nil},
		{"manifest is an object", bad("manifest.json", body("{}")), "manifest.json: is not a list of images: it has a JSON object", nil},
		{"manifest too big", bad("manifest.json", body(long)), "manifest.json: has 5242884 bytes, at most 4194304 are read", nil},
		{"no images", bad("manifest.json", body("[]")), "holds no image", nil},
		{"before manifest.json", bad("manifest.json", gone), "before Docker 1.10", nil},
		{"configuration missing", bad(baseConfig, gone), baseConfig, fs.ErrNotExist},
		{"configuration unnamed", bad("manifest.json", body("[{}]")), "named by manifest.json: empty path", nil},
		{"configuration outside", bad("manifest.json", body(`[{"Config":"../../etc/passwd"}]`)), "leaves the directory", nil},
		{"configuration altered", bad(baseConfig, flipped), "content has digest", nil},
		{"configuration is no JSON", bad("manifest.json", body(`[{"Config":"repositories/../manifest.json"}]`)), "manifest.json: is not an image configuration: it has a JSON array", nil},
		{"configuration of numbers", bad("manifest.json", body(`[{"Config":7}]`)), `manifest.json: is not a list of images: it has a JSON number in the field "Config"`, nil},
		{"configuration without rootfs", bad("manifest.json", body(`[{"Config":"repositories"}]`)), "is no image configuration", nil},
		{"layer missing", bad(baseLayer, gone), "layer.tar", fs.ErrNotExist},
		{"layer altered", bad(baseLayer+"/layer.tar", flipped), "layer.tar: content has digest", nil},
		{"layer cut", bad(baseLayer+"/layer.tar", cut), "layer.tar: content has digest", nil},
		{"layer is another", bad("manifest.json", replaced("c7eacbb85c19", "a85801f6a81d")), "", nil},
		{"too few layers", bad("manifest.json", replaced(`"d2c0c1aa0b67d2fae4b3702e631ec484f966cf7c12fd17c0918fc395fe075a05/layer.tar",`, "")), "names 1 layers", nil},
		{"name malformed", bad("manifest.json", replaced("base:1.0", "Base:1.0")), `manifest.json: name "Base:1.0"`, nil},
		{"name with a digest", bad("manifest.json", replaced("base:1.0", "base@sha256:"+strings.Repeat("a", 64))), "has a digest instead of a tag", nil},
		{"name sha256", bad("manifest.json", replaced("base:1.0", "sha256:1.0")), "ambiguous", nil},
	}
}

// layerAs puts something else in the place of the base layer.
func layerAs(t testing.TB, kind byte, link string) []byte {
	t.Helper()
	return edited(t, "docker-archive.tar", baseLayer+"/layer.tar", func(f file) *file {
		return &file{name: f.name, kind: kind, link: link}
	})
}

func badLinks(t testing.TB) []badInput {
	return []badInput{
		{"link upwards", layerAs(t, tar.TypeSymlink, "../../outside"), `link to "../../outside" leaves the directory`, nil},
		{"absolute link", layerAs(t, tar.TypeSymlink, "/etc/passwd"), `link to "/etc/passwd" leaves the directory`, nil},
		{"hard link upwards", layerAs(t, tar.TypeLink, "../outside"), "leaves the directory", nil},
		{"dangling link", layerAs(t, tar.TypeSymlink, "nowhere"), `link to "` + baseLayer, fs.ErrNotExist},
		{"link to itself", layerAs(t, tar.TypeSymlink, "layer.tar"), "more than 40 links", nil},
		{"link to a directory", layerAs(t, tar.TypeSymlink, "."), "is a directory", nil},
		{"directory", layerAs(t, tar.TypeDir, ""), "is a directory", nil},
		{"device", layerAs(t, tar.TypeChar, ""), "is a device", nil},
		{"pipe", layerAs(t, tar.TypeFifo, ""), "is a named pipe", nil},
		{"sparse entry", sparse(t), "is a sparse entry", nil},
		{"link to another layer", layerAs(t, tar.TypeSymlink, "../c7eacbb85c19f2b86f1d3b32234ed957b10e9cf38fd0b42c92f7219bd6c07583/layer.tar"), "content has digest", nil},
	}
}

// sparse is an archive with a layer of which the zeros are left out. The headers
// that say so cannot be written as such, but they have no checksum.
func sparse(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{Name: "x", Size: 516, Mode: 0o644, Typeflag: tar.TypeReg, PAXRecords: map[string]string{
		"XNU.sparse.major": "1", "XNU.sparse.minor": "0", "XNU.sparse.name": "layer", "XNU.sparse.realsize": "4096",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("1\n0\n4\n" + strings.Repeat("\x00", 506) + "data")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []file{
		{name: "config", body: toJSON(t, configOf(linux("amd64"), digest.FromString("data")))},
		{name: "manifest.json", body: []byte(`[{"Config":"config","Layers":["layer"]}]`)},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(buf.Bytes(), []byte("XNU.sparse"), []byte("GNU.sparse"))
}

func badLayouts(t testing.TB) []badInput {
	bad := func(part string, edit func(file) *file) []byte { return edited(t, "oci-layout-skopeo.tar", part, edit) }
	return []badInput{
		{"layout version", bad("oci-layout", body(`{"imageLayoutVersion":"2.0.0"}`)), `oci-layout: version "2.0.0"`, nil},
		{"layout is no JSON", bad("oci-layout", body("")), "oci-layout: is not the version of an image layout: unexpected end", nil},
		{"no oci-layout", bad("oci-layout", gone), "holds no images", nil},
		{"no index", bad("index.json", gone), "index.json", fs.ErrNotExist},
		{"index version", bad("index.json", replaced(`"schemaVersion":2`, `"schemaVersion":3`)), "schema version 3", nil},
		{"index is a manifest", bad("index.json", replaced(`"schemaVersion":2`, `"schemaVersion":2,"manifests":{}`)), `index.json: is not an image index: it has a JSON object in the field "manifests"`, nil},
		{"index empty", bad("index.json", body(`{"schemaVersion":2}`)), "holds no image", nil},
		{"only other things", bad("index.json", replaced("image.manifest", "thing")), "holds no image, only 5 of other kinds, such as: media type", nil},
		{"manifest missing", bad("980372a4d15d", gone), "named by index.json", fs.ErrNotExist},
		{"manifest altered", bad("980372a4d15d", flipped), "content has digest", nil},
		{"manifest of another size", bad("index.json", replaced(`"size":402`, `"size":401`)), "named by index.json: content sha256:980372a4d15dcebfe8e5738398b03cad07f00f82eedea61f1a5495bfc0c32306 is longer than 401 bytes", nil},
		{"digest malformed", bad("index.json", replaced("sha256:980372a4", "sha256:../../a4")), "index.json: digest", nil},
		{"digest without algorithm", bad("index.json", replaced("sha256:", "sha256-")), "index.json: digest", nil},
		{"digest of unknown algorithm", bad("index.json", replaced("sha256:980372a4", "md5:980372a4")), "index.json: digest", nil},
		{"configuration missing in layout", bad(ociConfig, gone), ociConfig, fs.ErrNotExist},
		{"configuration altered in layout", bad(ociConfig, flipped), "content has digest", nil},
		{"blob missing", bad(ociBlob, gone), "named by blobs/sha256/", fs.ErrNotExist},
		{"blob altered", bad(ociBlob, flipped), "content has digest", nil},
		{"blob cut", bad(ociBlob, cut), "has 5812 bytes, not 6324", nil},
		{"blob outside", bad(ociBlob, func(f file) *file { return &file{name: f.name, kind: tar.TypeSymlink, link: "/etc/passwd"} }), "leaves the directory", nil},
	}
}

// badImages are images that were never right.
func badImages(t testing.TB) []badInput {
	content := pack(t, file{name: "f"})
	make := func(mediaType string, blob []byte, edit func(*layout, *ocispec.Descriptor, *ocispec.Image)) []byte {
		l := newLayout(t)
		desc, config := l.add(mediaType, blob), configOf(linux("amd64"), "sha256:"+ocispec.DescriptorEmptyJSON.Digest[7:])
		if edit != nil {
			edit(l, &desc, &config)
		}
		l.list(l.imageOf(config, desc), "bad:1")
		return pack(t, l.files()...)
	}
	foreign := func(l *layout, desc *ocispec.Descriptor, _ *ocispec.Image) {
		delete(l.blobs, desc.Digest)
		desc.URLs = []string{"https://example.com/layer"}
	}
	return []badInput{
		{"diffID wrong", make(ocispec.MediaTypeImageLayer, content, nil), "unpacked content: content has digest", nil},
		{"diffID wrong, gzip", make(ocispec.MediaTypeImageLayerGzip, gzipped(t, content), nil), "unpacked content: content has digest", nil},
		{"diffID wrong, zstd", make(ocispec.MediaTypeImageLayerZstd, zstandard(t, content), nil), "unpacked content: content has digest", nil},
		{"layer of truncated gzip", make(ocispec.MediaTypeImageLayerGzip, gzipped(t, content)[:40], nil), "ends too early", io.ErrUnexpectedEOF},
		{"layer of xz", make(ocispec.MediaTypeImageLayerGzip, []byte("\xfd7zXZ\x00more"), nil), "only gzip and zstd", nil},
		{"layer encrypted", make(ocispec.MediaTypeImageLayerGzip+"+encrypted", content, nil), "encrypted\", which is not supported", nil},
		{"foreign layer", make("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", content, foreign), `foreign layer, its content is kept at ["https://example.com/layer"]`, fs.ErrNotExist},
		{"diffID malformed", make(ocispec.MediaTypeImageLayer, content, func(_ *layout, _ *ocispec.Descriptor, c *ocispec.Image) { c.RootFS.DiffIDs[0] = "sha256:12" }), "diffID \"sha256:12\"", nil},
		{"other platform", make(ocispec.MediaTypeImageLayer, content, func(_ *layout, _ *ocispec.Descriptor, c *ocispec.Image) { c.Architecture = "s390x" }), "the image is for linux/s390x, not for linux/amd64 as asked", nil},
		{"long history", make(ocispec.MediaTypeImageLayer, content, func(l *layout, d *ocispec.Descriptor, c *ocispec.Image) {
			c.RootFS.DiffIDs[0] = d.Digest
			c.History = []ocispec.History{{}, {}}
		}), "too many non-empty layers in history", nil},
		{"one blob for two layers", shared(t), "content has digest", nil},
		{"manifest in the place of an index", confused(t, ocispec.MediaTypeImageIndex), "says it is a", nil},
		{"indexes without end", nested(t, 9), "more than 8 indexes lie in each other", nil},
		{"manifest without digests", confused(t, ocispec.MediaTypeImageManifest), `: digest "": `, nil},
	}
}

// confused is a layout with a manifest of nothing, listed with this media type.
func confused(t testing.TB, mediaType string) []byte {
	l := newLayout(t)
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	manifest.SchemaVersion = 2
	l.list(l.addJSON(mediaType, manifest), "")
	return pack(t, l.files()...)
}

// shared is a layout of two images that take one blob for different layers.
func shared(t testing.TB) []byte {
	l := newLayout(t)
	content := pack(t, file{name: "f"})
	blob := l.add(ocispec.MediaTypeImageLayerGzip, gzipped(t, content))
	l.list(l.imageOf(configOf(linux("amd64"), digest.FromBytes(content)), blob), "")
	l.list(l.imageOf(configOf(linux("amd64"), digest.FromString("other")), blob), "")
	return pack(t, l.files()...)
}

// nested is a layout with an index in an index, and so on.
func nested(t testing.TB, depth int) []byte {
	l := newLayout(t)
	desc := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
	for range depth {
		index := ocispec.Index{Manifests: []ocispec.Descriptor{desc}}
		index.SchemaVersion = 2
		desc = l.addJSON(ocispec.MediaTypeImageIndex, index)
	}
	l.list(desc, "nested:1")
	return pack(t, l.files()...)
}
