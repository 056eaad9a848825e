package diskstore_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test unless err is of the class and says text.
func wants(t testing.TB, err, class error, text string) {
	t.Helper()
	if !errors.Is(err, class) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want one of class %v that says %q", err, class, text)
	}
}

func open(t testing.TB, dir string) *diskstore.Store {
	t.Helper()
	s, err := diskstore.Open(t.Context(), dir, nil)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// openStepping opens a store that calls before ahead of each step that changes
// files; a step does not happen when it fails.
func openStepping(ctx context.Context, dir string, opts *diskstore.Options, before func(step, path string) error) (*diskstore.Store, error) {
	files := faultfs.New(vfs.OS{}, func(s faultfs.Step) faultfs.Fault {
		if err := before(string(s.Op), s.Path); err != nil {
			return faultfs.Fault{Kind: faultfs.Fail, Err: err}
		}
		return faultfs.Fault{}
	})
	return diskstore.OpenFaulty(ctx, dir, opts, files)
}

// describe returns the descriptor of content.
func describe(content string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

// config is the configuration of an image whose name makes it different.
func config(name string, layers []string) string {
	diffIDs := make([]digest.Digest, len(layers))
	for i, layer := range layers {
		diffIDs[i] = digest.FromString("uncompressed " + layer)
	}
	text, _ := json.Marshal(map[string]any{
		"author": name, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	return string(text)
}

// load brings in an image with these layers and tags it.
func load(ctx context.Context, s *diskstore.Store, name string, layers ...string) (id digest.Digest, err error) {
	in, err := s.Ingest(ctx)
	if err != nil {
		return "", err
	}
	defer in.Close() //nolint:errcheck // never fails
	spec := imagestore.Spec{Config: []byte(config(name, layers))}
	for _, content := range append([]string{string(spec.Config)}, layers...) {
		desc, err := in.Write(ctx, strings.NewReader(content), describe(content))
		if err != nil {
			return "", err
		}
		spec.Layers = append(spec.Layers, desc)
	}
	spec.Content, spec.Layers = spec.Layers[:1], spec.Layers[1:]
	return digest.FromBytes(spec.Config), in.Commit(ctx, func(tx *kvstore.Tx) error {
		image, err := tx.Images.Create(ctx, spec)
		if err != nil {
			return err
		}
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return err
		}
		return tx.Tag(ctx, image.ID, ref, refstore.AddOptions{})
	})
}

func parse(t testing.TB, name string) reference.Named {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(name)
	must(t, err)
	return reference.TagNameOnly(ref)
}

// remove deletes the image called name through the service.
func remove(ctx context.Context, s *diskstore.Store, name string) error {
	_, err := jettison.New(s, nil).ImageDelete(ctx, name, jettison.RemoveOptions{})
	return err
}

// onDisk returns the size of each file below the directories blobs and ingest.
func onDisk(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	sizes := make(map[string]int64)
	for _, sub := range []string{"blobs", "ingest"} {
		must(t, filepath.WalkDir(filepath.Join(dir, sub), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			sizes[filepath.ToSlash(rel)] = info.Size()
			return err
		}))
	}
	return sizes
}

func sum(sizes map[string]int64) (n int64) {
	for _, size := range sizes {
		n += size
	}
	return n
}

// recorded returns what the files should be by the records.
func recorded(t testing.TB, s *diskstore.Store) map[string]int64 {
	t.Helper()
	sizes := make(map[string]int64)
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Contents(t.Context()) {
			if err != nil {
				return err
			}
			sizes["blobs/"+content.Digest.Algorithm().String()+"/"+content.Digest.Encoded()] = content.Size
		}
		return nil
	}))
	return sizes
}

// tags returns the names that the store has.
func tags(t testing.TB, s *diskstore.Store) (names []string) {
	t.Helper()
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		for tag, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			names = append(names, tag.Ref.String())
		}
		return nil
	}))
	return names
}

// marks returns the content that is marked as garbage.
func marks(t testing.TB, s *diskstore.Store) (marked []digest.Digest) {
	t.Helper()
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Garbage(t.Context()) {
			if err != nil {
				return err
			}
			marked = append(marked, content)
		}
		return nil
	}))
	return marked
}

// sound fails the test unless the files are exactly those that the records
// name, undamaged, and each tag names an image.
func sound(t testing.TB, s *diskstore.Store) {
	t.Helper()
	if diff := cmp.Diff(onDisk(t, s.Dir()), recorded(t, s)); diff != "" {
		t.Errorf("files (-on disk +in the records):\n%s", diff)
	}
	intact(t, s)
}

// intact fails the test unless all that the records name is there.
func intact(t testing.TB, s *diskstore.Store) {
	t.Helper()
	damage, err := s.Verify(t.Context())
	must(t, err)
	for _, d := range damage {
		t.Error(&d)
	}
	must(t, s.Read(t.Context(), func(tx *kvstore.Tx) error {
		for tag, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			if _, err := tx.Images.Get(t.Context(), tag.ID); err != nil {
				return err
			}
		}
		return nil
	}))
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	must(t, os.CopyFS(to, os.DirFS(from)))
}
