package transfer_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/transfer"
)

// openLayout opens an image layout.
func openLayout(t testing.TB, dir string) *ocilayout.Layout {
	t.Helper()
	layout, err := ocilayout.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

// emptyLayout makes an image layout without images.
func emptyLayout(t testing.TB) *ocilayout.Layout {
	t.Helper()
	return openLayout(t, writeDir(t, newLayout(t).files()))
}

// copied copies images and expects no error.
func copied(t testing.TB, dst *diskstore.Store, src transfer.Source, refs ...string) *transfer.Report {
	t.Helper()
	report, err := transfer.Copy(t.Context(), dst, src, refs, transfer.CopyOptions{Platform: linux("amd64")})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// copyWhole copies images, indexes with all that is in them, and expects no error.
func copyWhole(t testing.TB, dst *diskstore.Store, src transfer.Source, refs ...string) *transfer.Report {
	t.Helper()
	report, err := transfer.Copy(t.Context(), dst, src, refs, transfer.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A copy of a whole store is that store, and copying again changes nothing.
func TestCopy(t *testing.T) {
	for name := range realArchives() {
		t.Run(name, func(t *testing.T) {
			src, dst := newStore(t), newStore(t)
			loadData(t, src, real(t, name))
			for range 2 {
				if report := copyWhole(t, dst, src); report.Skipped != nil || report.Moved != nil {
					t.Errorf("skipped %v, moved %v", report.Skipped, report.Moved)
				}
				if diff := cmp.Diff(dump(t, dst), dump(t, src)); diff != "" {
					t.Errorf("target (-got +want):\n%s", diff)
				}
			}
		})
	}
}

// A parent that the source was told of is kept, whatever the histories say; one
// that is not copied and not there is not.
func TestCopyParents(t *testing.T) {
	src, dst := newStore(t), newStore(t)
	images := loadData(t, src, real(t, "docker-archive.tar")).Images
	err := src.Edit(t.Context(), func(tx *kvstore.Tx) error {
		return tx.Images.SetParent(t.Context(), images[1].ID, images[2].ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	alone := copied(t, newStore(t), src, "app:1.0")
	if alone.Images[0].Parent != "" || alone.Skipped != nil {
		t.Errorf("alone: parent %q, skipped %v, want none", alone.Images[0].Parent, alone.Skipped)
	}
	if got := copied(t, dst, src).Images; !slices.ContainsFunc(got, func(img transfer.LoadedImage) bool { return img.Parent == images[2].ID }) {
		t.Errorf("images %+v, want one with the parent %s", got, images[2].ID)
	}
}

// From an image layout comes what a load of it brings, in one step or two.
func TestCopyLayout(t *testing.T) {
	for _, name := range []string{"oci-layout-skopeo.tar", "podman-oci-archive.tar", "oci-layout-podman-index.tar"} {
		t.Run(name, func(t *testing.T) {
			files := unpack(t, real(t, name))
			want, direct, twice := newStore(t), newStore(t), newStore(t)
			load(t, want, writeDir(t, files), amd64())
			src := openLayout(t, writeDir(t, files))
			copied(t, direct, src)
			if diff := cmp.Diff(dump(t, direct), dump(t, want)); diff != "" {
				t.Errorf("from the layout (-got +want):\n%s", diff)
			}
			second := emptyLayout(t)
			if _, err := transfer.CopyToLayout(t.Context(), second, src, nil, transfer.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			copied(t, twice, second)
			if diff := cmp.Diff(dump(t, twice), dump(t, want)); diff != "" {
				t.Errorf("from a layout to a layout (-got +want):\n%s", diff)
			}
		})
	}
}

// counting counts the blobs that are opened.
type counting struct {
	transfer.Source
	opened map[digest.Digest]int
}

func (c counting) Blob(ctx context.Context, content digest.Digest) (io.ReadCloser, error) {
	c.opened[content]++
	return c.Source.Blob(ctx, content)
}

// What is asked for is copied, with its tags, and of that only what the target
// does not have.
func TestCopyOnlyWhatIsMissing(t *testing.T) {
	src, dst := newStore(t), newStore(t)
	loadData(t, src, real(t, "docker-archive.tar"))
	report := copied(t, dst, src, "base")
	if diff := cmp.Diff(describe(report), []string{"base:1.0"}); diff != "" {
		t.Errorf("images (-got +want):\n%s", diff)
	}
	base := dump(t, dst)
	from := counting{src, make(map[digest.Digest]int)}
	var items []string
	_, err := transfer.Copy(t.Context(), dst, from, []string{"app:1.0"}, transfer.CopyOptions{Progress: func(p transfer.Progress) {
		if p.Done == 0 {
			items = append(items, p.Item)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 1 {
		t.Errorf("layers copied: %v, want the one that the target lacks", items)
	}
	for _, line := range base {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "file /blobs/sha256/"), " ")
		if id := digest.NewDigestFromEncoded(digest.SHA256, name); id.Validate() == nil && from.opened[id] > 1 {
			t.Errorf("%s was opened %d times", id, from.opened[id])
		}
	}
	checkStore(t, dst)
}

// A copy into a layout leaves what others have written there, and takes names
// away from what had them.
func TestCopyToLayout(t *testing.T) {
	l := newLayout(t)
	l.list(l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs), "app:1.0")
	l.index.Manifests[0].Annotations["keep"] = "this"
	l.list(l.image(ocispec.Platform{OS: "linux", Architecture: "amd64", Variant: "v1"}, ocispec.MediaTypeImageLayer, asIs), "latest")
	files := change(t, l.files(), "index.json", func(f file) *file {
		f.body = []byte(`{"x-other":{"b":1},` + string(f.body[1:]))
		return &f
	})
	dir, store := writeDir(t, files), newStore(t)
	loaded := loadData(t, store, real(t, "docker-archive.tar"))
	for range 2 { // the second time there is nothing to do
		if _, err := transfer.CopyToLayout(t.Context(), openLayout(t, dir), store, []string{"app:1.0", "f6149a474233", "web:1.0"}, transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		checkIndex(t, dir, []string{" keep=this", "latest", "docker.io/library/app:1.0", "docker.io/library/web:1.0"})
	}
	again := newStore(t)
	copied(t, again, openLayout(t, dir), "app:1.0", "web:1.0")
	for _, img := range loaded.Images[1:3] {
		if got := configIn(t, again, img.ID); got.RootFS.Type != "layers" {
			t.Errorf("configuration %+v", got)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "blobs", "sha256", ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// Content that a layout has stays in its place, and what is damaged there is
// replaced.
func TestCopyToLayoutKeepsContent(t *testing.T) {
	store, layout := newStore(t), emptyLayout(t)
	dir := layout.Dir()
	loadData(t, store, real(t, "docker-archive.tar"))
	copyAll := func() {
		t.Helper()
		if _, err := transfer.CopyToLayout(t.Context(), layout, store, nil, transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	copyAll()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil || len(blobs) < 10 {
		t.Fatalf("blobs %q, %v", blobs, err)
	}
	if err := os.WriteFile(blobs[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := make([]os.FileInfo, len(blobs))
	for i, blob := range blobs {
		if before[i], err = os.Stat(blob); err != nil {
			t.Fatal(err)
		}
	}
	copyAll()
	for i, blob := range blobs {
		after, err := os.Stat(blob)
		if err != nil {
			t.Fatal(err)
		}
		if same := os.SameFile(before[i], after); same != (i > 0) {
			t.Errorf("%s: is the same file: %v", blob, same)
		}
	}
	for name, sum := range layoutFiles(t, dir) {
		if filepath.Base(name) != strings.TrimPrefix(sum, "sha256:") {
			t.Errorf("%s holds %s", name, sum)
		}
	}
}

// checkIndex compares the names in an index, and looks whether it keeps what it
// had.
func checkIndex(t *testing.T, dir string, want []string) {
	t.Helper()
	if data := checkIndexNames(t, dir, want); !strings.Contains(data, `"x-other":{"b":1}`) {
		t.Errorf("index %s", data)
	}
}

// checkIndexNames compares the names in an index, which it returns.
func checkIndexNames(t *testing.T, dir string, want []string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, desc := range index.Manifests {
		line := desc.Annotations["io.containerd.image.name"]
		if line == "" {
			line = desc.Annotations[ocispec.AnnotationRefName]
		}
		if kept := desc.Annotations["keep"]; kept != "" {
			line += " keep=" + kept
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("index %s (-got +want):\n%s", data, diff)
	}
	return string(data)
}

// Nothing is copied by halves: a target is as it was when the source has a
// damaged layer, and when the context ends.
func TestCopyFails(t *testing.T) {
	src, dst := newStore(t), newStore(t)
	loadData(t, src, real(t, "docker-archive.tar"))
	dir := writeDir(t, unpack(t, real(t, "podman-oci-archive.tar")))
	before := sums(contentOf(t, dir))
	for name, copyAll := range map[string]func(context.Context, transfer.CopyOptions) error{
		"store": func(ctx context.Context, opts transfer.CopyOptions) error {
			_, err := transfer.Copy(ctx, dst, src, nil, opts)
			return err
		},
		"layout": func(ctx context.Context, opts transfer.CopyOptions) error {
			_, err := transfer.CopyToLayout(ctx, openLayout(t, dir), src, nil, opts)
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := copyAll(ctx, transfer.CopyOptions{Progress: func(p transfer.Progress) {
			if p.Done > 0 {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) {
			t.Errorf("%s: err = %v, want that of the context", name, err)
		}
	}
	damageBlobs(t, src)
	_, err := transfer.Copy(t.Context(), dst, src, nil, transfer.CopyOptions{})
	var damage *diskstore.Damage
	if !errors.As(err, &damage) || !errors.Is(err, jettison.ErrInternal) {
		t.Errorf("store: err = %v, want a Damage", err)
	}
	_, err = transfer.CopyToLayout(t.Context(), openLayout(t, dir), src, nil, transfer.CopyOptions{})
	if !errors.As(err, &damage) || !errors.Is(err, jettison.ErrInternal) {
		t.Errorf("layout: err = %v, want a Damage", err)
	}
	if rest := dump(t, dst); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
	if diff := cmp.Diff(sums(contentOf(t, dir)), before); diff != "" {
		t.Errorf("layout (-got +want):\n%s", diff)
	}
}

// damageBlobs alters all layers of a store, and nothing else.
func damageBlobs(t testing.TB, store *diskstore.Store) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(store.Dir(), "blobs", "sha256", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("blobs: %v, %v", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if data[0] == '{' {
			continue
		}
		data[len(data)-1] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What is not there is not copied, and an index that cannot be understood is not
// added to.
func TestCopyRefuses(t *testing.T) {
	src := newStore(t)
	loadData(t, src, real(t, "docker-archive.tar"))
	files := unpack(t, real(t, "podman-oci-archive.tar"))
	layout := openLayout(t, writeDir(t, files))
	if _, err := transfer.Copy(t.Context(), src, layout, []string{"nothing"}, transfer.CopyOptions{}); !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("Copy: err = %v, want class NotFound", err)
	}
	if _, err := transfer.CopyToLayout(t.Context(), layout, src, []string{"nothing"}, transfer.CopyOptions{}); !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("CopyToLayout: err = %v, want class NotFound", err)
	}
	dir := writeDir(t, change(t, files, "index.json", func(f file) *file { f.body = []byte("["); return &f }))
	before := sums(contentOf(t, dir))
	_, err := transfer.CopyToLayout(t.Context(), openLayout(t, dir), src, nil, transfer.CopyOptions{})
	var wrong *ocilayout.IndexError
	if !errors.As(err, &wrong) || !errors.Is(err, jettison.ErrInternal) {
		t.Errorf("err = %v, want an IndexError", err)
	}
	if diff := cmp.Diff(sums(contentOf(t, dir)), before); diff != "" {
		t.Errorf("layout (-got +want):\n%s", diff)
	}
}

// A layer of a layout that is altered is not copied, to a store or a layout.
func TestCopyDamagedLayout(t *testing.T) {
	layer := "15b76c465c2389b3bb5ae68e0f9a1803fca96ce61f2575d9cda4902ee67ed8f7"
	files := change(t, unpack(t, real(t, "podman-oci-archive.tar")), layer, func(f file) *file {
		f.body = slices.Clone(f.body)
		f.body[len(f.body)-1] ^= 1
		return &f
	})
	src, dst, layout := openLayout(t, writeDir(t, files)), newStore(t), emptyLayout(t)
	before := sums(contentOf(t, layout.Dir()))
	_, toStore := transfer.Copy(t.Context(), dst, src, nil, transfer.CopyOptions{Platform: linux("amd64")})
	_, toLayout := transfer.CopyToLayout(t.Context(), layout, src, nil, transfer.CopyOptions{})
	for target, err := range map[string]error{"store": toStore, "layout": toLayout} {
		var wrong *ocilayout.BlobError
		if !errors.As(err, &wrong) || !errors.Is(err, jettison.ErrInternal) || !strings.Contains(err.Error(), layer) {
			t.Errorf("%s: err = %v, want a BlobError that names %s", target, err, layer)
		}
	}
	if rest := dump(t, dst); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
	if diff := cmp.Diff(sums(contentOf(t, layout.Dir())), before); diff != "" {
		t.Errorf("layout (-got +want):\n%s", diff)
	}
}

// S1: with an image goes what is about it, and what is about that, although only
// the image has a name; by its ID a signature goes alone.
func TestCopyReferrers(t *testing.T) {
	src := openLayout(t, writeDir(t, unpack(t, real(t, "oci-layout-referrers.tar"))))
	want, dst, back := newStore(t), newStore(t), newStore(t)
	loadData(t, want, real(t, "oci-layout-referrers.tar"))
	report := copied(t, dst, src, "app:signed")
	if len(report.Images) != 4 || report.Images[0].Subject != "" || report.Images[1].Subject == "" {
		t.Fatalf("copied %+v, want an image and three that are about it", report.Images)
	}
	if diff := cmp.Diff(dump(t, dst), dump(t, want)); diff != "" {
		t.Errorf("target (-got +want):\n%s", diff)
	}
	checkStore(t, dst)
	layout := emptyLayout(t)
	for range 2 {
		if _, err := transfer.CopyToLayout(t.Context(), layout, dst, []string{"app:signed"}, transfer.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(layoutFiles(t, layout.Dir()), layoutFiles(t, src.Dir())); diff != "" {
			t.Errorf("blobs (-got +want):\n%s", diff)
		}
		checkIndexNames(t, layout.Dir(), []string{"docker.io/library/app:signed", "", "", ""})
	}
	copyWhole(t, back, layout)
	if diff := cmp.Diff(dump(t, back), dump(t, want)); diff != "" {
		t.Errorf("back (-got +want):\n%s", diff)
	}
	alone := copyWhole(t, newStore(t), dst, report.Images[1].ID.String())
	if len(alone.Images) != 1 || alone.Images[0].ID != report.Images[1].ID {
		t.Errorf("copied %+v, want the artifact %s", alone.Images, report.Images[1].ID)
	}
}

// M1: an index is copied with its bytes; a platform of it with what is about that
// alone.
func TestCopyIndexWithReferrers(t *testing.T) {
	l, src := newLayout(t), newStore(t)
	index := l.indexOf(linux("amd64"), linux("arm64"))
	l.list(index, "multi:1")
	var members ocispec.Index
	decode(t, l.blobs[index.Digest], &members)
	for _, subject := range append(members.Manifests, index) {
		l.list(l.about(subject), "")
	}
	loadData(t, src, pack(t, l.files()...))
	direct, layout := newStore(t), openLayout(t, writeDir(t, l.files()))
	copyWhole(t, direct, layout, "multi:1") // the configurations of the artifacts lie in their manifests
	if diff := cmp.Diff(dump(t, direct), dump(t, src)); diff != "" {
		t.Errorf("from the layout (-got +want):\n%s", diff)
	}
	second := emptyLayout(t)
	if _, err := transfer.CopyToLayout(t.Context(), second, layout, []string{"multi:1"}, transfer.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(layoutFiles(t, second.Dir()), layoutFiles(t, layout.Dir())); diff != "" {
		t.Errorf("from a layout to a layout (-got +want):\n%s", diff)
	}
	dst := newStore(t)
	copyWhole(t, dst, src, "multi:1")
	if diff := cmp.Diff(dump(t, dst), dump(t, src)); diff != "" {
		t.Errorf("target (-got +want):\n%s", diff)
	}
	for name, refs := range map[string][]string{"named": {"multi:1"}, "everything": nil} {
		part := newStore(t)
		report := copied(t, part, src, refs...)
		if len(report.Images) != 2 || report.Images[1].Subject != members.Manifests[0].Digest {
			t.Errorf("%s: copied %+v, want an image and what is about it", name, report.Images)
		}
		if left := len(report.Skipped); left != 2 && refs == nil || left != 0 && refs != nil {
			t.Errorf("%s: skipped %v", name, report.Skipped)
		}
		checkStore(t, part)
	}
}

// S5: a tag that says what its image is about goes with that.
func TestCopyTagSchema(t *testing.T) {
	l, src, dst := newLayout(t), newStore(t), newStore(t)
	image := l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs)
	l.list(image, "app:1")
	signature := l.add("application/vnd.dev.cosign.simplesigning.v1+json", []byte("{}"))
	l.list(l.imageOf(configOf(linux("amd64"), signature.Digest), signature), "app:sha256-"+image.Digest.Encoded()+".sig")
	loadData(t, src, pack(t, l.files()...))
	copyWhole(t, dst, src, "app:1")
	if diff := cmp.Diff(dump(t, dst), dump(t, src)); diff != "" {
		t.Errorf("target (-got +want):\n%s", diff)
	}
}

// An image for several platforms is whole in the layout that it is copied to.
func TestCopyIndexToLayout(t *testing.T) {
	files := unpack(t, real(t, "oci-layout-podman-index.tar"))
	src, layout := openLayout(t, writeDir(t, files)), emptyLayout(t)
	if _, err := transfer.CopyToLayout(t.Context(), layout, src, []string{"multi"}, transfer.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(layoutFiles(t, layout.Dir()), layoutFiles(t, src.Dir())); diff != "" {
		t.Errorf("blobs (-got +want):\n%s", diff)
	}
	checkIndexNames(t, layout.Dir(), []string{"docker.io/library/multi:1.0"})
}
