package ocilayout_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/storetest"
)

// unpack unpacks an archive of testdata and returns the directory.
func unpack(t testing.TB, archive string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "testdata", "images", archive))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	dir := t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.FromSlash(h.Name)), data)
	}
}

// write replaces a file, whole or not at all.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	temp := filepath.Join(filepath.Dir(path), ".jettison-test")
	if err == nil {
		err = os.WriteFile(temp, data, 0o644)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func open(t testing.TB, dir string) *ocilayout.Layout {
	t.Helper()
	l, err := ocilayout.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// files lists the files of a layout, sorted.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// blobPath is where a blob lies in a layout.
func blobPath(dir string, blob digest.Digest) string {
	return filepath.Join(dir, "blobs", blob.Algorithm().String(), blob.Encoded())
}

// put writes a blob that is a JSON document, and returns its descriptor.
func put(t testing.TB, dir, mediaType string, doc any) ocispec.Descriptor {
	t.Helper()
	data, ok := doc.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(doc); err != nil {
			t.Fatal(err)
		}
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	write(t, blobPath(dir, desc.Digest), data)
	return desc
}

// putImage writes an image and returns the descriptor of its manifest.
func putImage(t testing.TB, dir string, img storetest.Image) ocispec.Descriptor {
	t.Helper()
	put(t, dir, "", img.Config)
	for _, layer := range img.Layers {
		put(t, dir, "", layer)
	}
	desc := put(t, dir, ocispec.MediaTypeImageManifest, backends.LayoutManifest(img))
	desc.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	return desc
}

// putIndex writes the blob of an index and returns its descriptor.
func putIndex(t testing.TB, dir string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	return put(t, dir, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	})
}

// named is the descriptor with a name.
func named(desc ocispec.Descriptor, name string) ocispec.Descriptor {
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	return desc
}

// newLayout makes a layout whose index.json lists the manifests that list
// returns.
func newLayout(t testing.TB, list func(dir string) []ocispec.Descriptor) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	data, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: list(dir)})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "index.json"), data)
	return dir
}

// list returns the images with their references, and the errors of those that
// cannot be read.
func list(t testing.TB, l *ocilayout.Layout) (found []string, damage []error) {
	t.Helper()
	err := l.View(t.Context(), func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			var unreadable *imagestore.UnreadableError
			if errors.As(err, &unreadable) {
				img.ID = unreadable.ID
				damage = append(damage, err)
			} else if err != nil {
				return err
			}
			refs, err := stores.References.References(t.Context(), img.ID)
			if err != nil {
				return err
			}
			line := img.ID.Encoded()[:12]
			for _, ref := range refs {
				line += " " + ref.String()
			}
			found = append(found, line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, damage
}

// contentOf are the digests of all content that an image needs.
func contentOf(t testing.TB, stores jettison.Stores, img imagestore.Image) []digest.Digest {
	t.Helper()
	tops := []digest.Digest{img.Layer}
	for _, m := range img.Manifests {
		tops = append(tops, m.Layer)
	}
	var all []digest.Digest
	for _, c := range img.Content {
		all = append(all, c.Digest)
	}
	for _, chain := range tops {
		for chain != "" {
			layer, err := stores.Images.Layer(t.Context(), chain)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range layer.Content {
				all = append(all, c.Digest)
			}
			chain = layer.Parent
		}
	}
	return all
}

// removeFirstPlatform removes the first manifest of the only index.
func removeFirstPlatform(ctx context.Context, stores jettison.Stores) error {
	for img, err := range stores.Images.All(ctx) {
		if err != nil {
			return err
		}
		if len(img.Manifests) > 0 {
			_, _, err := stores.Images.Platforms.Replace(ctx, img.ID, []digest.Digest{img.Manifests[0].Digest})
			return err
		}
	}
	return errors.New("no index")
}

func tagged(name string) reference.Named {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		panic(err) // a name in a test
	}
	return reference.TagNameOnly(ref)
}

// repair removes what nothing needs.
func repair(t testing.TB, l *ocilayout.Layout) []check.Finding {
	t.Helper()
	findings, err := l.Repair(t.Context(), ocilayout.RepairOptions{Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	return findings
}
