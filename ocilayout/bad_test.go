package ocilayout_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/storetest"
)

// What is no layout is refused by Open, with the path and the reason.
func TestOpenRefusals(t *testing.T) {
	cases := []struct {
		name  string
		make  func(t *testing.T, dir string)
		class error
		text  string
	}{
		{"nothing there", func(t *testing.T, dir string) { remove(t, dir) }, jettison.ErrNotFound, "no such file"},
		{"a file", func(t *testing.T, dir string) { remove(t, dir); write(t, dir, nil) }, jettison.ErrInvalidArgument, "it is a file"},
		{"no mark", func(t *testing.T, dir string) { remove(t, dir, "oci-layout") }, jettison.ErrInvalidArgument, "no file oci-layout"},
		{"a mark that is no JSON", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "oci-layout"), []byte("1.0.0"))
		}, jettison.ErrInvalidArgument, "is damaged"},
		{"another version", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"2.0.0"}`))
		}, jettison.ErrInvalidArgument, "version 2.0.0"},
		{"no index", func(t *testing.T, dir string) { remove(t, dir, "index.json") }, jettison.ErrInvalidArgument, "no file index.json"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := faultLayout(t)
			c.make(t, dir)
			_, err := ocilayout.Open(t.Context(), dir, nil)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v, want %q of class %v", err, c.text, c.class)
			}
		})
	}
}

func remove(t testing.TB, path ...string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

// An index.json that cannot be understood is an error that names it, of class
// Internal, and stays as it is (E3).
func TestDamagedIndex(t *testing.T) {
	whole := read(t, faultLayout(t), "index.json")
	cases := map[string]string{
		"empty":                 "",
		"cut short":             whole[:len(whole)/2],
		"a list":                "[]",
		"two documents":         whole + whole,
		"another schema":        `{"schemaVersion":1}`,
		"no version":            `{"manifests":[]}`,
		"manifests no list":     `{"schemaVersion":2,"manifests":{}}`,
		"a manifest no object":  `{"schemaVersion":2,"manifests":[1]}`,
		"a size that is a text": `{"schemaVersion":2,"manifests":[{"digest":"` + digest.FromString("x").String() + `","size":"1"}]}`,
		"larger than is read":   `{"schemaVersion":2,"x":"` + strings.Repeat("x", 64<<20) + `"}`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			dir := faultLayout(t)
			write(t, filepath.Join(dir, "index.json"), []byte(text))
			before := files(t, dir)
			_, err := jettison.New(open(t, dir), nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			var damage *ocilayout.IndexError
			if !errors.As(err, &damage) || !errors.Is(err, jettison.ErrInternal) || damage.Path != filepath.Join(dir, "index.json") {
				t.Errorf("got %v, want an *IndexError of class Internal", err)
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			if read(t, dir, "index.json") != text {
				t.Error("index.json has changed")
			}
		})
	}
}

// A blob that is missing, altered or not of the size that is said makes its
// image unreadable and no other (E3). It can be untagged, or deleted by its ID
// (R5), and never takes anything from another image along.
func TestDamagedBlobs(t *testing.T) {
	cases := []struct {
		name   string
		damage func(t *testing.T, dir string, manifest ocispec.Descriptor)
		is     error
	}{
		{"manifest missing", func(t *testing.T, dir string, m ocispec.Descriptor) { remove(t, blobPath(dir, m.Digest)) }, fs.ErrNotExist},
		{"manifest altered", func(t *testing.T, dir string, m ocispec.Descriptor) { alter(t, blobPath(dir, m.Digest)) }, nil},
		{"manifest cut short", func(t *testing.T, dir string, m ocispec.Descriptor) { write(t, blobPath(dir, m.Digest), []byte("{")) }, nil},
		{"configuration missing", func(t *testing.T, dir string, _ ocispec.Descriptor) {
			remove(t, blobPath(dir, faultImage(1).ID()))
		}, fs.ErrNotExist},
		{"configuration altered", func(t *testing.T, dir string, _ ocispec.Descriptor) { alter(t, blobPath(dir, faultImage(1).ID())) }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var manifest ocispec.Descriptor
			dir := newLayout(t, func(dir string) []ocispec.Descriptor {
				manifest = putImage(t, dir, faultImage(1))
				return []ocispec.Descriptor{named(manifest, "app:1.0"), named(putImage(t, dir, faultImage(2)), "web:1.0")}
			})
			c.damage(t, dir, manifest)
			l := open(t, dir)
			images, damage := list(t, l)
			if len(images) != 2 || len(damage) != 1 {
				t.Fatalf("got images %q and damage %v, want two and one", images, damage)
			}
			var blob *ocilayout.BlobError
			if !strings.Contains(damage[0].Error(), blobPath(dir, "sha256:")) {
				t.Errorf("got %v (%v), want the path of the blob", damage[0], blob)
			}
			service := jettison.New(l, nil)
			records, err := service.ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{})
			if diff := cmp.Diff([]string{"Untagged: app:1.0"}, short(records)); diff != "" || err != nil {
				t.Errorf("untag: %v (-want +got):\n%s", err, diff)
			}
			images, _ = list(t, l)
			for _, image := range images {
				if id, refs, _ := strings.Cut(image, " "); refs == "" {
					if _, err := service.ImageDelete(t.Context(), fullID(t, l, id), jettison.RemoveOptions{}); err != nil {
						t.Errorf("delete by ID: %v", err)
					}
				}
			}
			repair(t, l)
			images, damage = list(t, l)
			if len(images) != 1 || len(damage) != 0 || len(strays(t, dir)) != 0 {
				t.Errorf("afterwards: images %q, damage %v, strays %q", images, damage, strays(t, dir))
			}
		})
	}
}

// alter changes a byte of a file.
func alter(t testing.TB, path string) {
	t.Helper()
	data := []byte(read(t, path))
	data[len(data)/2] ^= 1
	write(t, path, data)
}

// fullID is the ID that begins with these digits.
func fullID(t testing.TB, l *ocilayout.Layout, prefix string) (id string) {
	t.Helper()
	err := l.View(t.Context(), func(stores jettison.Stores) error {
		ids, err := stores.Images.Search(t.Context(), prefix)
		if err == nil {
			id = ids[0].String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Where something is listed that cannot be understood, nobody knows what it
// needs: other images go, and their blobs stay.
func TestWhatIsNotUnderstoodKeepsBlobs(t *testing.T) {
	deep := func(dir string) ocispec.Descriptor {
		desc := putImage(t, dir, faultImage(9))
		for range 10 {
			desc = putIndex(t, dir, desc)
		}
		return desc
	}
	cases := map[string]func(dir string) ocispec.Descriptor{
		"another media type": func(dir string) ocispec.Descriptor {
			return put(t, dir, "application/vnd.example.thing", map[string]int{"a": 1})
		},
		"too large": func(dir string) ocispec.Descriptor {
			return put(t, dir, ocispec.MediaTypeImageManifest, bytes.Repeat([]byte(" "), 9<<20))
		},
		"nested too deep": deep,
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			dir := newLayout(t, func(dir string) []ocispec.Descriptor {
				return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "app:1.0"), named(make(dir), "thing:1")}
			})
			before := files(t, dir)
			l := open(t, dir)
			reports, err := jettison.New(l, nil).ImagesDelete(t.Context(), []string{"app:1.0"}, jettison.RemoveOptions{})
			if err != nil || reports[0].Err != nil || reports[0].SpaceReclaimed != 0 {
				t.Errorf("got %+v, %v, want no space reclaimed", reports, err)
			}
			repair(t, l)
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			findings, err := l.Check(t.Context(), ocilayout.CheckOptions{})
			if err != nil || len(findings) != 1 {
				t.Errorf("findings: %v, %v, want one", findings, err)
			}
		})
	}
}

// A digest of an unknown algorithm, or one that is a path, leads nowhere.
func TestMalformedDigests(t *testing.T) {
	for _, bad := range []digest.Digest{"md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../../../etc/passwd", "sha256:", ""} {
		dir := newLayout(t, func(dir string) []ocispec.Descriptor {
			odd := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: bad, Size: 2}
			return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "app:1.0"), named(odd, "odd:1")}
		})
		l := open(t, dir)
		if _, damage := list(t, l); len(damage) != 1 || !errors.Is(damage[0], jettison.ErrInternal) {
			t.Errorf("%q: got %v, want one error of class Internal", bad, damage)
		}
		if _, err := jettison.New(l, nil).ImageDelete(t.Context(), "odd:1", jettison.RemoveOptions{}); err != nil {
			t.Errorf("%q: untag: %v", bad, err)
		}
	}
}

// A name that is no reference stays as it is, keeps its image from a prune, and
// is named when the image is refused.
func TestUnusableName(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "Not A Name!")}
	})
	before := read(t, dir, "index.json")
	service := jettison.New(open(t, dir), nil)
	report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil || len(report.ImagesDeleted) != 0 || len(report.Kept) != 1 || !strings.Contains(report.Kept[0].String(), "Not A Name!") {
		t.Errorf("prune: got %+v, %v, want the image kept by its name", report, err)
	}
	_, err = service.ImageDelete(t.Context(), faultImage(1).ID().String(), jettison.RemoveOptions{Force: true})
	if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), `used by name "Not A Name!"`) {
		t.Errorf("delete: got %v, want a conflict with the name", err)
	}
	if read(t, dir, "index.json") != before {
		t.Error("index.json has changed")
	}
}

// Of two descriptors with one name the first counts. When it is gone the second
// has the name.
func TestOneNameTwice(t *testing.T) {
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		return []ocispec.Descriptor{named(putImage(t, dir, faultImage(1)), "app:1.0"), named(putImage(t, dir, faultImage(2)), "app:1.0")}
	})
	l := open(t, dir)
	findings, err := l.Check(t.Context(), ocilayout.CheckOptions{})
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].String(), "app:1.0") {
		t.Errorf("findings: %v, %v, want one about the name", findings, err)
	}
	service := jettison.New(l, nil)
	for _, img := range []storetest.Image{faultImage(1), faultImage(2)} {
		records, err := service.ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{})
		if err != nil || len(records) < 2 || records[1].Deleted != img.ID().String() {
			t.Errorf("got %v, %v, want image %s deleted", records, err, img.ID())
		}
	}
	if diff := cmp.Diff([]string{"index.json", "oci-layout"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
