package transfer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/transfer"
)

// flatten makes of a layout what skopeo's dir: transport makes of it: all files
// in one directory, blobs by their hex digits, and what the layout lists first
// as manifest.json. Manifests of an index have an ending.
func flatten(t testing.TB, files []file) []file {
	t.Helper()
	var index ocispec.Index
	for _, f := range files {
		if f.name == "index.json" {
			if err := json.Unmarshal(f.body, &index); err != nil {
				t.Fatal(err)
			}
		}
	}
	top := index.Manifests[0]
	flat := []file{{name: "version", body: []byte("Directory Transport Version: 1.1\n")}}
	for _, f := range files {
		hex, isBlob := strings.CutPrefix(f.name, "blobs/sha256/")
		switch {
		case !isBlob:
		case hex == top.Digest.Encoded():
			flat = append(flat, file{name: "manifest.json", body: f.body})
		case top.MediaType == ocispec.MediaTypeImageIndex && strings.Contains(string(f.body), `"config":{"mediaType"`):
			flat = append(flat, file{name: hex + ".manifest.json", body: f.body})
		default:
			flat = append(flat, file{name: hex, body: f.body})
		}
	}
	return flat
}

// A directory of skopeo's dir: transport has no names, and one image.
func TestLoadFlat(t *testing.T) {
	for name, skipped := range map[string][]string{
		"podman-oci-archive.tar":      nil,
		"oci-layout-podman-index.tar": {"linux/arm64: of an index, one platform is loaded: linux/amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			files := unpack(t, real(t, name))
			store, layout := newStore(t), newStore(t)
			report := load(t, store, writeDir(t, flatten(t, files)), amd64())
			want := load(t, layout, writeDir(t, files), amd64())
			if diff := cmp.Diff(describeSkipped(report), skipped); diff != "" {
				t.Errorf("skipped (-got +want):\n%s", diff)
			}
			if len(report.Images) != 1 || report.Images[0].ID != want.Images[0].ID || report.Images[0].Names != nil {
				t.Errorf("images %+v, want %s without names", report.Images, want.Images[0].ID)
			}
			checkStore(t, store)
		})
	}
}

func TestLoadFlatRefuses(t *testing.T) {
	good := flatten(t, unpack(t, real(t, "podman-oci-archive.tar")))
	layer := "15b76c465c2389b3bb5ae68e0f9a1803fca96ce61f2575d9cda4902ee67ed8f7"
	for name, tt := range map[string]struct {
		part  string
		edit  func(file) *file
		entry string
		want  string
	}{
		"version":    {"version", func(f file) *file { f.body = []byte("Directory Transport Version: 2.0\n"); return &f }, "version", "is not the version of a directory that is supported"},
		"manifest":   {"manifest.json", func(f file) *file { f.body = []byte("[]"); return &f }, "manifest.json", "is not an image manifest: it has a JSON array"},
		"no JSON":    {"manifest.json", func(f file) *file { f.body = []byte("{"); return &f }, "manifest.json", "is not an image manifest"},
		"altered":    {layer, func(f file) *file { f.body = append([]byte("x"), f.body[1:]...); return &f }, "blobs/sha256/" + layer, "content has digest"},
		"missing":    {layer, func(file) *file { return nil }, "blobs/sha256/" + layer, "named by blobs/sha256/86f25df9b5ae97ff4c786ddf44090e6a1235bc4c566344a800d47f91950f6e13: file " + layer + ": "},
		"no way out": {layer, func(f file) *file { return &file{name: f.name, kind: '2', link: "/etc/passwd"} }, "blobs/sha256/" + layer, "file " + layer + ": link to \"/etc/passwd\" leaves the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, store := writeDir(t, change(t, good, tt.part, tt.edit)), newStore(t)
			_, err := transfer.Load(t.Context(), store, dir, amd64())
			checkRefusal(t, err, dir, badInput{want: tt.entry + ": " + tt.want})
			if rest := dump(t, store); len(rest) > 0 {
				t.Errorf("left behind: %q", rest)
			}
		})
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := transfer.Load(t.Context(), newStore(t), dir, amd64())
	checkRefusal(t, err, dir, badInput{want: "is no OCI image layout, it has no file oci-layout; nor one of skopeo's dir:"})
}

// Names that state no registry are Docker's, unless Podman's are asked for.
func TestLoadLocalhost(t *testing.T) {
	for name, want := range map[string][]string{
		"docker-archive.tar": {
			"localhost/base:1.0", "localhost/app:1.0 localhost/app:latest registry.example.com/team/app:1.0",
			"localhost/web:1.0 localhost/web:stable", "localhost/full:1.0",
		},
		"podman-oci-archive.tar":      {"localhost/app:1.0"},
		"oci-layout-podman-index.tar": {"localhost/multi:1.0"},
	} {
		opts := amd64()
		opts.Localhost = true
		report := load(t, newStore(t), writeFile(t, real(t, name)), opts)
		if diff := cmp.Diff(describe(report), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	// What states a registry, be it docker.io, keeps it.
	store := newStore(t)
	loadData(t, store, real(t, "podman-docker-archive.tar"))
	l := newLayout(t)
	l.list(l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs), "docker.io/library/app:1.0")
	opts := amd64()
	opts.Localhost = true
	if got := describe(load(t, store, writeFile(t, pack(t, l.files()...)), opts)); got[0] != "app:1.0" {
		t.Errorf("got %q, want app:1.0", got)
	}
}
