package containerd_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/storetest"
)

// reclaims deletes these images in one call, and makes sure that what is said to be
// freed is what the disk has more then.
func (l *lab) reclaims(t *testing.T, refs ...string) {
	t.Helper()
	before := l.diskUsage(t)
	reports, err := l.service.ImagesDelete(t.Context(), refs, jettison.RemoveOptions{})
	must(t, err)
	var reclaimed int64
	for _, r := range reports {
		must(t, r.Err)
		reclaimed += r.SpaceReclaimed
	}
	if freed := before - l.diskUsage(t); reclaimed != freed || freed == 0 {
		t.Errorf("%v: reclaimed %d, freed %d", refs, reclaimed, freed)
	}
}

// Two images with the same layers, compressed in two ways, have one snapshot of each
// and blobs of their own: those of one go with it.
func TestLayersInTwoCompressions(t *testing.T) {
	for _, first := range []string{"one:1", "two:1"} {
		l := newLab(t, nil)
		made := storetest.Spec{Name: "app", Layers: []string{"os", "app"}, LayerSize: 3000}.Image()
		must(t, l.engine.Pull(t.Context(), fixture.NewObject(made, fixture.Snapshotter), "", "docker.io/library/one:1"))
		made.Layers = slices.Clone(made.Layers)
		for i, layer := range made.Layers {
			made.Layers[i] = append(bytes.Clone(layer), "compressed otherwise"...)
		}
		must(t, l.engine.Pull(t.Context(), fixture.NewObject(made, fixture.Snapshotter), "", "docker.io/library/two:1"))
		l.reclaims(t, first)
	}
}

// A blob that is unpacked for one image, and not for another, goes with the last of
// the two.
func TestBlobOfALayerAndOfAnImage(t *testing.T) {
	for _, refs := range [][]string{{"unpacked:1", "packed:1"}, {"packed:1", "unpacked:1"}} {
		l := newLab(t, nil)
		l.pull(t, "unpacked", []string{"os"}, "docker.io/library/unpacked:1")
		l.pullPacked(t)
		l.reclaims(t, refs...)
	}
}

// pullPacked makes packed:1, an image of the layer os that is not unpacked.
func (l *lab) pullPacked(t *testing.T) {
	t.Helper()
	packed := fixture.NewObject(storetest.Spec{Name: "packed", Layers: []string{"os"}}.Image(), fixture.Snapshotter)
	packed.Chains = nil
	for _, blob := range packed.Blobs {
		delete(blob.Labels, "containerd.io/gc.ref.snapshot."+fixture.Snapshotter)
	}
	must(t, l.engine.Pull(t.Context(), packed, "", "docker.io/library/packed:1"))
}

// A lease on the blob of a layer is on no image, be it unpacked or not: a pull of
// another image holds it. The blob stays.
func TestLeaseOnALayerIsOnNoImage(t *testing.T) {
	l := newLab(t, nil)
	l.pullPacked(t)
	ctx := l.engine.In(t.Context())
	layer := digest.FromBytes(storetest.Spec{Name: "packed", Layers: []string{"os"}}.Image().Layers[0])
	puller, err := l.Services.Leases.Create(ctx, leases.WithID("puller"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, puller, leases.Resource{ID: layer.String(), Type: "content"}))
	l.reclaims(t, "packed:1")
	if _, err := l.Services.Content.Info(ctx, layer); err != nil {
		t.Errorf("the layer under a lease: %v", err)
	}
}

// A plan knows what a lease holds of an image that has no name yet, and so is right
// about what goes.
func TestPlanKnowsWhatLeasesHold(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os", "app"}, "docker.io/library/app:1")
	ctx := l.engine.In(t.Context())
	pulled := l.pull(t, "pulled", []string{"os", "pulled"})
	puller, err := l.Services.Leases.Create(ctx, leases.WithID("puller"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, puller, leases.Resource{ID: pulled.String(), Type: "content"}))
	must(t, l.Services.Images.Delete(ctx, fixture.Dangling(pulled)))

	plan, err := l.service.PlanDelete(t.Context(), []string{"app:1"}, jettison.RemoveOptions{})
	must(t, err)
	records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	must(t, err)
	if diff := cmp.Diff(records, plan.Records()); diff != "" || len(records) != 3 {
		t.Errorf("the plan (-done +planned):\n%s", diff)
	}
}

// Of an image that is unreadable nothing but its names is said to go, as planned:
// what it was unpacked to nobody could tell before.
func TestUnreadableImageIsDeletedAsPlanned(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os", "app"}, "docker.io/library/app:1")
	must(t, l.Spoil(id))
	l.open(t, nil)
	plan, err := l.service.PlanDelete(t.Context(), []string{id.String()}, jettison.RemoveOptions{Force: true})
	must(t, err)
	records, err := l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	must(t, err)
	want := []jettison.DeleteResponse{{Untagged: "app:1"}, {Deleted: id.String()}}
	for name, got := range map[string][]jettison.DeleteResponse{"planned": plan.Records(), "done": records} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The labels of a manifest number its layers, and the eleventh comes after the tenth.
func TestBlobsOfManyLayers(t *testing.T) {
	l := newLab(t, nil)
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	made := storetest.Spec{Name: "app", Layers: names}.Image()
	l.pull(t, "app", names, "docker.io/library/app:1")
	must(t, l.backend.View(t.Context(), func(stores jettison.Stores) error {
		for i := range names {
			layer, err := stores.Images.Layer(t.Context(), storetest.ChainID(names[:i+1]...))
			if err != nil {
				return err
			}
			if want := digest.FromBytes(made.Layers[i]); layer.Content[0].Digest != want {
				t.Errorf("layer %d is of %s, want %s", i, layer.Content[0].Digest, want)
			}
		}
		return nil
	}))
}

// A lease that has ended by the clock of the service, and lives by the daemon's, goes
// with the image, so that nothing is left behind.
func TestEndedLeaseGoesWithItsImage(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	_, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{
		Kind: conflict.LeasePull, Owner: "test", Expires: time.Now().Add(time.Hour),
	})
	must(t, err)
	made, err := l.Services.Leases.List(l.engine.In(t.Context()))
	must(t, err)
	if _, ends := made[0].Labels["containerd.io/gc.expire"]; !ends {
		t.Errorf("the lease does not end for the daemon: %v", made[0].Labels)
	}
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	l.service = jettison.New(l.backend, &jettison.Options{Now: later})
	l.reclaims(t, "app:1")
	left, err := l.Services.Leases.List(l.engine.In(t.Context()))
	if must(t, err); len(left) > 0 {
		t.Errorf("leases are left: %v", left)
	}
}
