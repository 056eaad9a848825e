package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/transfer"
)

// indexStore is a store that holds one image, whose ID is the digest of an index
// or of a manifest, under one name.
type indexStore struct {
	jettison.ImageStore
	jettison.ReferenceStore
	record imagestore.Image
	name   reference.Named
	blobs  map[digest.Digest][]byte
}

func (s *indexStore) View(_ context.Context, fn func(jettison.Stores) error) error {
	return fn(jettison.Stores{
		Images:     jettison.Images{ImageStore: indexImages{s}},
		References: jettison.References{ReferenceStore: indexReferences{s}},
	})
}

func (s *indexStore) Update(context.Context, func(jettison.Stores) error) error {
	return errors.New("nobody writes to this store")
}

func (s *indexStore) Blob(_ context.Context, content digest.Digest) (io.ReadCloser, error) {
	data, ok := s.blobs[content]
	if !ok {
		return nil, class.Errorf(class.NotFound, "no content %s", content)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

type indexImages struct{ *indexStore }

func (i indexImages) Get(context.Context, digest.Digest) (imagestore.Image, error) {
	return i.record, nil
}

func (i indexImages) All(context.Context) iter.Seq2[imagestore.Image, error] { return nil }

func (i indexImages) Delete(context.Context, digest.Digest) (imagestore.Removed, error) {
	return imagestore.Removed{}, errors.New("nothing is deleted")
}

type indexReferences struct{ *indexStore }

func (r indexReferences) Get(context.Context, reference.Named) (digest.Digest, error) {
	return r.record.ID, nil
}

func (r indexReferences) All(context.Context) iter.Seq2[refstore.Association, error] {
	return func(yield func(refstore.Association, error) bool) {
		yield(refstore.Association{Ref: r.name, ID: r.record.ID}, nil)
	}
}

func (r indexReferences) Delete(context.Context, reference.Named, digest.Digest) error {
	return errors.New("nothing is deleted")
}

// keep makes a store of a layout whose one image is what the descriptor names;
// what is left out of it is not there.
func (l *layout) keep(desc ocispec.Descriptor, leftOut ...digest.Digest) *indexStore {
	s := &indexStore{name: named(l.t, "multi:1"), blobs: make(map[digest.Digest][]byte)}
	s.record.ID = desc.Digest
	for id, data := range l.blobs {
		if slices.Contains(leftOut, id) {
			continue
		}
		s.blobs[id] = data
		s.record.Content = append(s.record.Content, imagestore.Content{Digest: id, Size: int64(len(data))})
	}
	return s
}

// An image for several platforms is saved whole in the OCI formats, byte by byte
// and with what the store has of it.
func TestSaveIndex(t *testing.T) {
	l := newLayout(t)
	desc := l.indexOf(linux("amd64"), linux("arm64"))
	want := make(map[string]string)
	for id := range l.blobs {
		want["blobs/sha256/"+id.Encoded()] = id.String()
	}
	dir := filepath.Join(t.TempDir(), "whole")
	saved, err := transfer.Save(t.Context(), l.keep(desc), dir, []string{"multi"}, transfer.SaveOptions{Format: transfer.OCILayout})
	if err != nil {
		t.Fatal(err)
	}
	if saved[0].Manifest != desc.Digest || saved[0].Made {
		t.Errorf("saved %+v, want the index %s", saved[0], desc.Digest)
	}
	if diff := cmp.Diff(layoutFiles(t, dir), want); diff != "" {
		t.Errorf("blobs (-got +want):\n%s", diff)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		report := load(t, newStore(t), dir, transfer.LoadOptions{Platform: linux(arch)})
		if got := describe(report); got[0] != "multi:1" || report.Images[0].Platform.Architecture != arch {
			t.Errorf("%s: loaded %v", arch, report.Images)
		}
	}
}

// In the OCI formats an index that a store on disk keeps is saved with its bytes,
// and an image with what is about it; loaded again, it is the same store. The
// docker-archive leaves out what it cannot hold, and refuses it alone.
func TestSaveWhole(t *testing.T) {
	for name, ref := range map[string]string{"oci-layout-podman-index.tar": "multi:1.0", "oci-layout-referrers.tar": "app:signed"} {
		store := newStore(t)
		report := loadData(t, store, real(t, name))
		for _, format := range []transfer.Format{transfer.OCIArchive, transfer.OCILayout} {
			again := newStore(t)
			load(t, again, save(t, store, format, ref), transfer.LoadOptions{})
			if diff := cmp.Diff(dump(t, again), dump(t, store)); diff != "" {
				t.Errorf("%s, %s: loaded again (-got +want):\n%s", name, format, diff)
			}
		}
		path := filepath.Join(t.TempDir(), "docker.tar")
		saved, err := transfer.Save(t.Context(), store, path, []string{ref}, transfer.SaveOptions{Platform: linux("amd64")})
		if err != nil || len(saved) != 1 {
			t.Errorf("%s: saved %+v, %v, want one image", name, saved, err)
		}
		for _, img := range report.Images[1:] {
			_, err := transfer.Save(t.Context(), store, path, []string{img.ID.String()}, transfer.SaveOptions{Platform: linux("amd64")})
			if !errors.Is(err, jettison.ErrInvalidArgument) {
				t.Errorf("%s: err = %v, want class InvalidArgument", img.ID, err)
			}
		}
	}
}

// One platform of it is saved when that is asked for, or when the format has no
// place for more.
func TestSavePlatform(t *testing.T) {
	l := newLayout(t)
	src := l.keep(l.indexOf(linux("amd64"), linux("arm64")))
	for _, format := range transfer.Formats() {
		path := filepath.Join(t.TempDir(), "saved")
		_, err := transfer.Save(t.Context(), src, path, []string{"multi:1"}, transfer.SaveOptions{Format: format, Platform: linux("arm64")})
		if err != nil {
			t.Fatal(err)
		}
		report := load(t, newStore(t), path, transfer.LoadOptions{})
		if got := describe(report); len(got) != 1 || got[0] != "multi:1" || report.Images[0].Platform.Architecture != "arm64" {
			t.Errorf("%s: loaded %+v", format, report.Images)
		}
		_, err = transfer.Save(t.Context(), src, path+"2", []string{"multi:1"}, transfer.SaveOptions{Format: format, Platform: linux("s390x")})
		if !errors.Is(err, jettison.ErrNotFound) || !strings.Contains(err.Error(), "only for linux/amd64, linux/arm64") {
			t.Errorf("%s: err = %v, want one of class NotFound that lists the platforms", format, err)
		}
	}
	report, err := transfer.Copy(t.Context(), newStore(t), src, []string{"multi:1"}, transfer.CopyOptions{Platform: linux("amd64")})
	if err != nil || report.Images[0].Platform.Architecture != "amd64" {
		t.Errorf("copied %+v, %v", report, err)
	}
}

// What the store lacks of an index stays away; what it does have is there.
func TestSaveSparseIndex(t *testing.T) {
	l := newLayout(t)
	arm := l.image(linux("arm64"), ocispec.MediaTypeImageLayerGzip, gzipped) // as in the index
	desc := l.indexOf(linux("amd64"), linux("arm64"))
	src := l.keep(desc, arm.Digest)
	dir := filepath.Join(t.TempDir(), "sparse")
	if _, err := transfer.Save(t.Context(), src, dir, []string{"multi:1"}, transfer.SaveOptions{Format: transfer.OCILayout}); err != nil {
		t.Fatal(err)
	}
	load(t, newStore(t), dir, amd64())
	if _, ok := layoutFiles(t, dir)["blobs/sha256/"+arm.Digest.Encoded()]; ok {
		t.Errorf("the manifest %s is there", arm.Digest)
	}
}

// What is no image at all is damage.
func TestSaveNoImage(t *testing.T) {
	l := newLayout(t)
	src := l.keep(l.add("text/plain", []byte("no document")))
	_, err := transfer.Save(t.Context(), src, filepath.Join(t.TempDir(), "x"), []string{"multi:1"}, transfer.SaveOptions{})
	if !errors.Is(err, jettison.ErrInternal) {
		t.Errorf("err = %v, want class Internal", err)
	}
}
