package podman_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// topmost makes an image of the store with this topmost layer, whatever its
// configuration says.
func (f *fixture) topmost(name, layer string) digest.Digest {
	f.t.Helper()
	m := f.image(spec{comment: name})
	id := digest.FromString(name)
	config, err := f.ImageBigData(m.id.Encoded(), m.id.String())
	f.check(err)
	manifest, err := f.ImageBigData(m.id.Encoded(), "manifest")
	f.check(err)
	_, err = f.DeleteImage(m.id.Encoded(), true)
	f.check(err)
	_, err = f.CreateImage(id.Encoded(), nil, layer, "", &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
		{Key: id.String(), Data: config}, {Key: "manifest", Data: manifest},
	}})
	f.check(err)
	return id
}

// planned deletes an image and makes sure that the plan has told all that went.
func (f *fixture) planned(text string, opts jettison.RemoveOptions) (records []string, space int64) {
	f.t.Helper()
	service := jettison.New(f.backend(nil), nil)
	plan, err := service.PlanDelete(f.t.Context(), []string{text}, opts)
	f.check(err)
	reports, err := service.ImagesDelete(f.t.Context(), []string{text}, opts)
	f.check(err)
	f.check(reports[0].Err)
	if diff := cmp.Diff(lines(plan.Records()), lines(reports[0].Records)); diff != "" {
		f.t.Errorf("records of %s (-planned +done):\n%s", text, diff)
	}
	if plan.SpaceReclaimed() != reports[0].SpaceReclaimed {
		f.t.Errorf("space of %s: planned %d, reclaimed %d", text, plan.SpaceReclaimed(), reports[0].SpaceReclaimed)
	}
	return lines(reports[0].Records), reports[0].SpaceReclaimed
}

// layer returns the record of a layer as an engine knows it.
func (f *fixture) record(chain string) (imagestore.Layer, error) {
	f.t.Helper()
	var found imagestore.Layer
	err := f.backend(nil).View(f.t.Context(), func(stores jettison.Stores) (err error) {
		found, err = stores.Images.Layer(f.t.Context(), digest.Digest(chain))
		return err
	})
	return found, err
}

// A layer is named by its chain ID, and what it frees is the size of its archive,
// besides the documents of the image.
func TestLayers(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os", "app"}})
	top, err := f.record(m.chain(f, 2))
	f.check(err)
	size := int64(len(f.archive("app")))
	want := imagestore.Layer{
		ChainID: digest.Digest(m.chain(f, 2)), DiffID: m.config.RootFS.DiffIDs[1], Parent: digest.Digest(m.chain(f, 1)), Holders: 1,
		Content: []imagestore.Content{{Digest: digest.Digest(m.chain(f, 2)), Size: size, Holders: 1}},
	}
	if diff := cmp.Diff(want, top); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
	documents := int64(0)
	img, err := f.Image(m.id.Encoded())
	f.check(err)
	for _, size := range img.BigDataSizes {
		documents += size
	}
	_, space := f.planned(m.id.String(), jettison.RemoveOptions{})
	if want := 2*size + documents; space != want { // the archives are equally long
		t.Errorf("space: got %d, want %d", space, want)
	}
}

// Of layers with the same digests each is counted by itself: one has the chain ID,
// the others have their own. So is a layer whose digest is not known.
func TestLayersAlike(t *testing.T) {
	f := newFixture(t)
	one := f.layer("", "os")
	delete(f.layers, "/os")
	two := f.layer("", "os")
	onTwo := f.layer(two, "app")
	unknown, err := f.CreateLayer("", onTwo, nil, "", false, nil)
	f.check(err)
	first, second := f.topmost("first", one), f.topmost("second", unknown.ID)
	known, err := f.Layer(onTwo)
	f.check(err)
	os, err := f.Layer(one)
	f.check(err)

	ids := []string{one, two}
	slices.Sort(ids)
	named := map[string]string{ids[0]: os.UncompressedDigest.String(), ids[1]: "sha256:" + ids[1]}
	chain := chainAbove(os.UncompressedDigest.String(), known.UncompressedDigest.String())
	records, _ := f.planned(second.String(), jettison.RemoveOptions{})
	want := []string{"Deleted: " + second.String(), "Deleted: sha256:" + unknown.ID, "Deleted: " + chain, "Deleted: " + named[two]}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("records of the second (-want +got):\n%s", diff)
	}
	records, _ = f.planned(first.String(), jettison.RemoveOptions{}) // now it is the only one
	if diff := cmp.Diff([]string{"Deleted: " + first.String(), "Deleted: " + os.UncompressedDigest.String()}, records); diff != "" {
		t.Errorf("records of the first (-want +got):\n%s", diff)
	}
	if left := f.problems(); len(left) > 0 {
		t.Errorf("problems: %q", left)
	}
}

// Copies of the topmost layer for other user IDs go with the image, as content of its
// own: no record tells of them, but the space does.
func TestMappedLayers(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os", "app"}})
	f.mapLayer(m)
	records, space := f.planned(m.id.String(), jettison.RemoveOptions{})
	want := []string{"Deleted: " + m.id.String(), "Deleted: " + m.chain(f, 2), "Deleted: " + m.chain(f, 1)}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if least := int64(3 * len(f.archive("app"))); space < least {
		t.Errorf("space: got %d, want at least %d", space, least)
	}
	layers, err := f.Layers()
	f.check(err)
	if len(layers) > 0 {
		t.Errorf("left: %v", layers)
	}
}

// A copy that is mounted keeps the image like its topmost layer.
func TestMappedLayerMounted(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	f.mapLayer(m)
	img, err := f.Image(m.id.Encoded())
	f.check(err)
	_, err = f.Mount(img.MappedTopLayers[0], "")
	f.check(err)
	service := jettison.New(f.backend(nil), nil)
	_, err = service.ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{Force: true})
	if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("mounted: got %v, want an error of class Conflict that says so", err)
	}
	_, err = f.Unmount(img.MappedTopLayers[0], false)
	f.check(err)
	if _, err := service.ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{}); err != nil {
		t.Errorf("unmounted: %v", err)
	}
}

// mapLayer gives the image a copy of its topmost layer, as a container with user IDs
// of its own has it made.
func (f *fixture) mapLayer(m *made) {
	f.t.Helper()
	_, err := f.CreateContainer("mapped", nil, m.id.Encoded(), "", "", &storage.ContainerOptions{IDMappingOptions: mapping()})
	f.check(err)
	f.check(f.DeleteContainer("mapped"))
	img, err := f.Image(m.id.Encoded())
	f.check(err)
	if len(img.MappedTopLayers) != 1 {
		f.t.Fatalf("mapped layers: %q, want one", img.MappedTopLayers)
	}
}

// An image below a container that mounts it, below one whose record is gone: the
// layers stay as long as a container needs them.
func TestLayersOfContainers(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	f.container("c1", m, podmans)
	if l, err := f.record(m.chain(f, 1)); err != nil || l.Holders != 1 {
		t.Errorf("holders: got %d, %v; want the image alone, which cannot go before the container", l.Holders, err)
	}
	f.check(f.Delete(m.id.Encoded())) // the record alone, as nobody should
	if l, err := f.record(m.chain(f, 1)); err != nil || l.Holders != 1 {
		t.Errorf("holders: got %d, %v; want the container", l.Holders, err)
	}
}

// Parents of layers that lead nowhere or in a circle are no reason to fail.
func TestBadLayers(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os", "app"}})
	lost := f.image(spec{layers: []string{"lost"}, names: []string{"localhost/lost:1"}})
	f.edit("vfs-images/images.json", func(data []byte) []byte {
		return bytes.Replace(data, []byte(lost.topmost), []byte(strings.Repeat("f", 64)), 1)
	})
	base, err := f.Layer(m.topmost)
	f.check(err)
	f.edit("vfs-layers/layers.json", func(data []byte) []byte {
		return bytes.Replace(data, fmt.Appendf(nil, `{"id":%q,`, base.Parent), fmt.Appendf(nil, `{"id":%q,"parent":%q,`, base.Parent, m.topmost), 1)
	})
	service := jettison.New(f.backend(nil), nil)
	if _, err := service.PlanDelete(t.Context(), []string{m.id.String()}, jettison.RemoveOptions{}); err != nil {
		t.Errorf("plan with a circle: %v", err)
	}
	records, err := service.ImageDelete(t.Context(), "localhost/lost:1", jettison.RemoveOptions{})
	f.check(err)
	if diff := cmp.Diff([]string{"Untagged: localhost/lost:1", "Deleted: " + lost.id.String()}, lines(records)); diff != "" {
		t.Errorf("image without its layer (-want +got):\n%s", diff)
	}
}
