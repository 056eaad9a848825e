package podman_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
)

// list makes a list of images as Podman does: an image without layers whose manifest
// is an index.
func (f *fixture) list(name string, names []string, instances ...digest.Digest) digest.Digest {
	f.t.Helper()
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{}}
	for _, instance := range instances {
		index.Manifests = append(index.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: instance, Size: 1})
	}
	data := f.json(index)
	id := digest.FromString("list " + name) // Podman makes it up
	_, err := f.CreateImage(id.Encoded(), names, "", "", &storage.ImageOptions{
		BigData: []storage.ImageBigDataOption{{Key: storage.ImageDigestBigDataKey, Data: data}},
	})
	f.check(err)
	return id
}

// A list is removed as itself; its instances are images of their own and stay.
func TestList(t *testing.T) {
	f := newFixture(t)
	app := f.image(spec{layers: []string{"os"}})
	bare := f.image(spec{})
	id := f.list("l", []string{"localhost/l:latest"}, app.id, bare.id)
	f.list("empty", []string{"localhost/empty:latest"})
	service := jettison.New(f.backend(nil), nil)

	found, err := service.Resolve(t.Context(), "localhost/l")
	f.check(err)
	if img := found.Image; img.ID != id || img.Manifests != nil || img.Layer != "" || img.Parent != "" || img.Created.IsZero() {
		t.Errorf("list: got %+v, want an image without manifests, layers and a parent", img)
	}
	f.expectFamily("an instance without layers", bare, nil)
	_, err = service.ImageDelete(t.Context(), "localhost/l", jettison.RemoveOptions{Platforms: []ocispec.Platform{{OS: "linux", Architecture: "amd64"}}})
	if !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("one platform of the list: got %v, want an error of class NotFound", err)
	}
	for _, name := range []string{"localhost/l", "localhost/empty"} {
		records, err := service.ImageDelete(t.Context(), name, jettison.RemoveOptions{PruneChildren: true})
		if err != nil || len(records) != 2 || records[0].Untagged != name+":latest" {
			t.Errorf("remove %s: got %v, %v", name, records, err)
		}
	}
	for _, instance := range []*made{app, bare} {
		records, err := service.ImageDelete(t.Context(), instance.id.String(), jettison.RemoveOptions{})
		if err != nil || records[0].Deleted != instance.id.String() {
			t.Errorf("remove the instance: got %v, %v", records, err)
		}
	}
	if diff := cmp.Diff([]string(nil), f.problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
