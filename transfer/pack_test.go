package transfer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// real is an archive made by a real engine.
func real(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "images", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A file is an entry of an archive. The zero kind is a regular file.
type file struct {
	name string
	body []byte
	kind byte
	link string
}

// pack makes a tar archive.
func pack(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Size: int64(len(f.body)), Mode: 0o644, Typeflag: f.kind, Linkname: f.link}
		if f.kind == 0 {
			header.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// unpack lists the entries of a tar archive, with clean names.
func unpack(t testing.TB, data []byte) []file {
	t.Helper()
	var files []file
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(header.Name, "./"), "/")
		if name == "" { // the directory itself
			continue
		}
		files = append(files, file{name, body, header.Typeflag, header.Linkname})
	}
}

// change returns the files with each whose name contains part replaced by what
// edit makes of it; nil removes it. There must be one.
func change(t testing.TB, files []file, part string, edit func(file) *file) []file {
	t.Helper()
	var out []file
	hit := false
	for _, f := range files {
		if !strings.Contains(f.name, part) {
			out = append(out, f)
			continue
		}
		hit = true
		if edited := edit(f); edited != nil {
			out = append(out, *edited)
		}
	}
	if !hit {
		t.Fatalf("the archive has no %s", part)
	}
	return out
}

// writeDir writes regular files and symbolic links to a new directory.
func writeDir(t testing.TB, files []file) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch f.kind {
		case 0, tar.TypeReg:
			err = os.WriteFile(path, f.body, 0o644)
		case tar.TypeSymlink:
			err = os.Symlink(f.link, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeFile writes an archive to a new file.
func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstandard(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A layout makes an OCI image layout.
type layout struct {
	t     testing.TB
	blobs map[digest.Digest][]byte
	index ocispec.Index
}

func newLayout(t testing.TB) *layout {
	l := &layout{t: t, blobs: make(map[digest.Digest][]byte)}
	l.index.SchemaVersion = 2
	return l
}

// add keeps a blob and describes it.
func (l *layout) add(mediaType string, data []byte) ocispec.Descriptor {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	l.blobs[desc.Digest] = data
	return desc
}

// addJSON keeps a document.
func (l *layout) addJSON(mediaType string, v any) ocispec.Descriptor {
	return l.add(mediaType, toJSON(l.t, v))
}

// list puts a descriptor in index.json, with a name unless that is empty.
func (l *layout) list(desc ocispec.Descriptor, name string) {
	if name != "" {
		desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	}
	l.index.Manifests = append(l.index.Manifests, desc)
}

// image makes an image of one layer, whose blob is as compress makes it.
func (l *layout) image(platform ocispec.Platform, mediaType string, compress func(testing.TB, []byte) []byte) ocispec.Descriptor {
	content := pack(l.t, file{name: "etc/platform", body: []byte(platform.Architecture + platform.Variant)})
	return l.imageOf(configOf(platform, digest.FromBytes(content)), l.add(mediaType, compress(l.t, content)))
}

// imageOf makes an image.
func (l *layout) imageOf(config ocispec.Image, layers ...ocispec.Descriptor) ocispec.Descriptor {
	manifest := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    l.addJSON(ocispec.MediaTypeImageConfig, config),
		Layers:    layers,
	}
	manifest.SchemaVersion = 2
	desc := l.addJSON(ocispec.MediaTypeImageManifest, manifest)
	desc.Platform = &config.Platform
	return desc
}

// files are those of the layout.
func (l *layout) files() []file {
	files := []file{
		{name: "oci-layout", body: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{name: "index.json", body: toJSON(l.t, l.index)},
	}
	for id, data := range l.blobs {
		files = append(files, file{name: "blobs/" + id.Algorithm().String() + "/" + id.Encoded(), body: data})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files
}

func configOf(platform ocispec.Platform, diffIDs ...digest.Digest) ocispec.Image {
	config := ocispec.Image{Platform: platform}
	config.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}
	return config
}

func asIs(_ testing.TB, data []byte) []byte { return data }
