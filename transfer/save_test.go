package transfer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/transfer"
)

// save saves images and expects no error.
func save(t testing.TB, store *diskstore.Store, format transfer.Format, refs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "saved")
	if _, err := transfer.Save(t.Context(), store, path, refs, transfer.SaveOptions{Format: format}); err != nil {
		t.Fatal(err)
	}
	return path
}

// facts lists what is to survive a save: images, their layers and names, and,
// on request, parents.
func facts(t testing.TB, store *diskstore.Store, parents string) []string {
	t.Helper()
	var lines []string
	err := store.Read(t.Context(), func(tx *kvstore.Tx) error {
		for img, err := range tx.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			line := "image " + img.ID.String() + " layer " + img.Layer.String()
			if parents != "" {
				line += " " + parents + " " + img.Parent.String()
			}
			lines = append(lines, line)
		}
		for ref, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			lines = append(lines, "reference "+ref.Ref.String()+" "+ref.ID.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// What was saved and loaded again is what it was, and saved once more it is the
// same byte by byte.
func TestSaveRoundTrip(t *testing.T) {
	for name := range realArchives() {
		for _, format := range transfer.Formats() {
			if format == transfer.DockerArchive && name == "oci-layout-referrers.tar" {
				continue // such an archive cannot hold what is about an image
			}
			t.Run(name+"/"+string(format), func(t *testing.T) {
				store, again := newStore(t), newStore(t)
				load(t, store, writeFile(t, real(t, name)), amd64())
				path := save(t, store, format)
				load(t, again, path, amd64())
				parents := ""
				if format == transfer.DockerArchive {
					parents = "parent"
				}
				if diff := cmp.Diff(facts(t, again, parents), facts(t, store, parents)); diff != "" {
					t.Errorf("loaded again (-got +want):\n%s", diff)
				}
				checkStore(t, again)
				if diff := cmp.Diff(sums(contentOf(t, save(t, again, format))), sums(contentOf(t, path))); diff != "" {
					t.Errorf("saved again (-got +want):\n%s", diff)
				}
			})
		}
	}
}

// contentOf is all that is in a file or a directory.
func contentOf(t testing.TB, path string) map[string]string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"": string(data)}
	}
	all := make(map[string]string)
	err = filepath.WalkDir(path, func(at string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(at)
		all[strings.TrimPrefix(at, path)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sums has the digests of content.
func sums(content map[string]string) map[string]digest.Digest {
	out := make(map[string]digest.Digest, len(content))
	for name, data := range content {
		out[name] = digest.FromString(data)
	}
	return out
}

// An image that came in an OCI layout leaves as it came: every blob of it, and
// the digests of the manifests.
func TestSaveKeepsDigests(t *testing.T) {
	for _, name := range []string{"oci-layout-skopeo.tar", "podman-oci-archive.tar"} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			load(t, store, writeFile(t, real(t, name)), amd64())
			got := layoutFiles(t, save(t, store, transfer.OCILayout))
			want := make(map[string]string)
			for _, f := range unpack(t, real(t, name)) {
				if strings.HasPrefix(f.name, "blobs/sha256/") {
					want[f.name] = digest.FromBytes(f.body).String()
				}
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("blobs (-got +want):\n%s", diff)
			}
		})
	}
}

// layoutFiles are the blobs of a layout with the digests of their content.
func layoutFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	blobs := make(map[string]string)
	for name, data := range contentOf(t, dir) {
		if strings.HasPrefix(name, "/blobs/") {
			blobs[name[1:]] = digest.FromString(data).String()
		}
	}
	return blobs
}

// Every name is there in both forms, and names of one image share a descriptor.
func TestSaveNames(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "docker-archive.tar"))
	dir := save(t, store, transfer.OCILayout, "app:latest", "registry.example.com/team/app:1.0", "b37c0771e9c9")
	data, err := os.ReadFile(filepath.Join(dir, ocispec.ImageIndexFile))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, desc := range index.Manifests {
		got = append(got, desc.Annotations["io.containerd.image.name"]+" "+desc.Annotations[ocispec.AnnotationRefName])
	}
	want := []string{
		"docker.io/library/app:latest app:latest",
		"registry.example.com/team/app:1.0 registry.example.com/team/app:1.0",
		" ",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("names (-got +want):\n%s", diff)
	}
	if index.Manifests[0].Digest != index.Manifests[1].Digest || index.Manifests[0].Digest == index.Manifests[2].Digest {
		t.Errorf("digests: %v", index.Manifests)
	}
}

// What is asked for is what is saved, in the order asked for.
func TestSaveChooses(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "docker-archive.tar"))
	err := store.Edit(t.Context(), func(tx *kvstore.Tx) error {
		id, err := tx.References.Get(t.Context(), named(t, "web:1.0"))
		if err != nil {
			return err
		}
		return tx.Tag(t.Context(), id, named(t, "app:web"), refstore.AddOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		refs []string
		want []string
	}{
		{"a tag", []string{"web:stable"}, []string{"web:stable"}},
		{"two of one image", []string{"web:stable", "web:1.0", "web:stable"}, []string{"web:stable web:1.0"}},
		{"an ID", []string{"3dfe63d000c7"}, []string{"3dfe63d000c7"}},
		{"all tags of a repository", []string{"app"}, []string{"app:1.0 app:latest", "app:web"}},
		{"all", nil, []string{
			"app:web web:1.0 web:stable", "full:1.0", "base:1.0", "app:1.0 app:latest registry.example.com/team/app:1.0",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := load(t, newStore(t), save(t, store, transfer.DockerArchive, tt.refs...), transfer.LoadOptions{})
			if diff := cmp.Diff(describe(report), tt.want); diff != "" {
				t.Errorf("images (-got +want):\n%s", diff)
			}
		})
	}
}

func named(t testing.TB, text string) reference.Named {
	t.Helper()
	name, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// An archive has each file once, whatever its images share, and layers that are
// not compressed, whatever the store has.
func TestSaveDockerArchive(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "oci-layout-skopeo.tar"))
	data, err := os.ReadFile(save(t, store, transfer.DockerArchive))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, f := range unpack(t, data) {
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
		base, isLayer := strings.CutSuffix(f.name, ".tar")
		if want := digest.NewDigestFromEncoded(digest.SHA256, base); isLayer && digest.FromBytes(f.body) != want {
			t.Errorf("%s holds %s", f.name, digest.FromBytes(f.body))
		}
	}
	if len(seen) != 1+4+4 { // manifest.json, configurations, layers
		t.Errorf("files: %v", seen)
	}
}

// A manifest that names layers in another form than the store has them would
// lead nowhere: one is made that does not.
func TestSaveMakesManifest(t *testing.T) {
	l := newLayout(t)
	content := pack(t, file{name: "f", body: []byte("shared")})
	config := configOf(linux("amd64"), digest.FromBytes(content))
	config.Author = "second"
	l.list(l.imageOf(config, l.add(ocispec.MediaTypeImageLayerGzip, gzipped(t, content))), "second:1")
	first := newLayout(t)
	first.list(first.imageOf(configOf(linux("amd64"), digest.FromBytes(content)), first.add(ocispec.MediaTypeImageLayerZstd, zstandard(t, content))), "first:1")
	store := newStore(t)
	loadData(t, store, pack(t, first.files()...))
	loadData(t, store, pack(t, l.files()...))
	dir := filepath.Join(t.TempDir(), "dir")
	saved, err := transfer.Save(t.Context(), store, dir, []string{"first", "second"}, transfer.SaveOptions{Format: transfer.OCILayout})
	if err != nil {
		t.Fatal(err)
	}
	if saved[0].Made || !saved[1].Made || saved[1].Replaces != l.index.Manifests[0].Digest || saved[0].Manifest != first.index.Manifests[0].Digest {
		t.Errorf("saved %+v", saved)
	}
	again := newStore(t)
	load(t, again, dir, transfer.LoadOptions{})
	if diff := cmp.Diff(facts(t, again, ""), facts(t, store, "")); diff != "" {
		t.Errorf("loaded again (-got +want):\n%s", diff)
	}
}

// A save to a stream writes the very bytes of a save to a file.
func TestSaveWriter(t *testing.T) {
	store := newStore(t)
	loadData(t, store, real(t, "docker-archive.tar"))
	for _, format := range []transfer.Format{transfer.DockerArchive, transfer.OCIArchive} {
		var buf bytes.Buffer
		if _, err := transfer.SaveWriter(t.Context(), store, &buf, nil, transfer.SaveOptions{Format: format}); err != nil {
			t.Fatal(err)
		}
		if want := contentOf(t, save(t, store, format))[""]; buf.String() != want {
			t.Errorf("%s: got %d bytes, want the %d of the file", format, buf.Len(), len(want))
		}
	}
	_, err := transfer.SaveWriter(t.Context(), store, new(bytes.Buffer), nil, transfer.SaveOptions{Format: transfer.OCILayout})
	if !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want class InvalidArgument", err)
	}
}
