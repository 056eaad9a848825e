package containerd_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	continuity "github.com/containerd/continuity/fs"
	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// Content that another namespace has too is not said to have gone.
func TestSharedContentIsNotReclaimed(t *testing.T) {
	l := newLab(t, nil)
	o := fixture.NewObject(storetest.Spec{Name: "app", Layers: []string{"os"}, LayerSize: 5000}.Image(), fixture.Snapshotter)
	other := &fixture.Engine{Services: l.Services, Namespace: "other", Snapshotter: fixture.Snapshotter}
	for _, e := range []*fixture.Engine{l.engine, other} {
		if err := e.Pull(t.Context(), o, "", "docker.io/library/app:1"); err != nil {
			t.Fatal(err)
		}
	}
	report, err := l.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	used, err := l.Services.Snapshotter(fixture.Snapshotter).Usage(other.In(t.Context()), storetest.ChainID("os").String())
	if err != nil || report.SpaceReclaimed != used.Size {
		t.Errorf("reclaimed %d, want the %d of the snapshot alone (%v)", report.SpaceReclaimed, used.Size, err)
	}
}

// What a prune says that it freed is what is no longer on disk.
func TestSpaceReclaimedIsMeasured(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os", "app"}, "docker.io/library/app:1")
	l.pull(t, "base", []string{"os"}, "docker.io/library/base:1")
	if err := l.engine.Run(t.Context(), fixture.Container{ID: "db", Image: "docker.io/library/base:1", Top: storetest.ChainID("os")}); err != nil {
		t.Fatal(err)
	}
	before := l.diskUsage(t)
	report, err := l.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if freed := before - l.diskUsage(t); report.SpaceReclaimed != freed || freed == 0 {
		t.Errorf("reclaimed %d, freed %d", report.SpaceReclaimed, freed)
	}
}

// What is reported to have gone is looked for: a lease that was taken meanwhile
// keeps it.
func TestWhatStaysIsNotClaimed(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	ctx := l.engine.In(t.Context())
	l.meter.before = func(name string) {
		if name != "garbage" {
			return
		}
		held, err := l.Services.Leases.Create(ctx, leases.WithID("late"))
		if err != nil {
			t.Error(err)
		}
		resource := leases.Resource{ID: storetest.ChainID("os").String(), Type: "snapshots/" + fixture.Snapshotter}
		if err := l.Services.Leases.AddResource(ctx, held, resource); err != nil {
			t.Error(err)
		}
	}
	records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Deleted == storetest.ChainID("os").String() {
			t.Errorf("%v is reported, and a lease keeps it", r)
		}
	}
}

// An image that another program names after the look, and before the last name of
// it is removed, is not said to have gone: of one deleted, and of many.
func TestNamedMeanwhile(t *testing.T) {
	for _, n := range []int{1, 40} {
		l := newLab(t, nil)
		var typed []string
		var id digest.Digest
		for i := range n {
			name := fmt.Sprint("app", n-1-i)
			typed = slices.Insert(typed, 0, name+":1")
			id = l.pull(t, name, []string{"os", name}, "docker.io/library/"+name+":1")
		}
		var once sync.Once
		l.meter.before = func(name string) {
			if name == "images.Delete" {
				once.Do(func() { must(t, l.engine.Move(t.Context(), "docker.io/library/late:1", id)) })
			}
		}
		reports, err := l.service.ImagesDelete(t.Context(), typed, jettison.RemoveOptions{})
		must(t, err)
		if diff := cmp.Diff([]jettison.DeleteResponse{{Untagged: "app0:1"}}, reports[0].Records); diff != "" {
			t.Errorf("of %d: records (-want +got):\n%s", n, diff)
		}
		if diff := cmp.Diff([]jettison.Kept{{Image: id, Why: jettison.WhyNamed}}, reports[0].Kept); diff != "" {
			t.Errorf("of %d: kept (-want +got):\n%s", n, diff)
		}
		for _, r := range reports[1:] {
			if len(r.Records) != 3 {
				t.Errorf("of %d: records of %s: %v", n, r.Reference, r.Records)
			}
		}
		if diff := cmp.Diff([]string{"docker.io/library/late:1"}, l.records(t)); diff != "" {
			t.Errorf("of %d: names (-want +got):\n%s", n, diff)
		}
	}
}

// collect does what a daemon does in time.
func (l *lab) collect(t *testing.T) {
	t.Helper()
	if _, err := l.Services.Garbage.GarbageCollect(l.engine.In(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// diskUsage is what the files of content and the directories of snapshots take.
func (l *lab) diskUsage(t *testing.T) int64 {
	t.Helper()
	var total int64
	err := filepath.WalkDir(filepath.Join(l.Dir, "content", "blobs"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := os.ReadDir(filepath.Join(l.Dir, "snapshots", "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		used, err := continuity.DiskUsage(t.Context(), filepath.Join(l.Dir, "snapshots", "snapshots", layer.Name()))
		if err != nil {
			t.Fatal(err)
		}
		total += used.Size
	}
	return total
}

// A snapshotter that the daemon does not have, and a lease speaks of, is none:
// what has gone is counted all the same.
func TestSnapshotterThatIsNotThere(t *testing.T) {
	l := newLab(t, nil)
	inner := l.Services.Snapshotter
	l.Services.Snapshotter = func(name string) snapshots.Snapshotter {
		if name == "zfs" {
			return unloaded{}
		}
		return inner(name)
	}
	l.open(t, nil)
	ctx := l.engine.In(t.Context())
	old, err := l.Services.Leases.Create(ctx, leases.WithID("old"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, old, leases.Resource{ID: "volume", Type: "snapshots/zfs"}))
	layers := make([]string, 40)
	for i := range layers {
		layers[i] = fmt.Sprint(i)
	}
	l.pull(t, "app", layers, "docker.io/library/app:1")
	records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if err != nil || len(records) != 2+len(layers) {
		t.Errorf("got %d records, want the name, the image and %d layers (%v)", len(records), len(layers), err)
	}
}

// unloaded answers for a snapshotter that a daemon does not have.
type unloaded struct{ snapshots.Snapshotter }

func (unloaded) Walk(context.Context, snapshots.WalkFunc, ...string) error {
	return fmt.Errorf("snapshotter not loaded: zfs: %w", errdefs.ErrInvalidArgument)
}
