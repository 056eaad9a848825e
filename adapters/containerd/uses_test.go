package containerd_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	continuity "github.com/containerd/continuity/fs"
	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// A container of another namespace counts when that is looked at: by its image's
// target, and by the layers that it lies on. Otherwise it does not, and its image
// there keeps what it needs.
func TestContainersOfOtherNamespaces(t *testing.T) {
	for _, looked := range []bool{false, true} {
		var opts containerd.Options
		if looked {
			opts.Namespaces = []string{"other", "default", "other"}
		}
		l := newLab(t, &opts)
		o := fixture.NewObject(storetest.Spec{Name: "app", Layers: []string{"os"}}.Image(), fixture.Snapshotter)
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		other := &fixture.Engine{Services: l.Services, Namespace: "other", Snapshotter: fixture.Snapshotter, Runner: l.Tasks}
		if err := other.Pull(t.Context(), o, "", "docker.io/library/mine:1"); err != nil {
			t.Fatal(err)
		}
		run := fixture.Container{ID: "web", Image: "docker.io/library/mine:1", Top: storetest.ChainID("os"), Running: true}
		if err := other.Run(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		_, err := l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
		if looked != errors.Is(err, jettison.ErrConflict) {
			t.Errorf("looked at %t: got %v", looked, err)
		}
		if refused, ok := errors.AsType[*conflict.Error](err); ok {
			if got := refused.Conflicts[0].Container; got.Owner != "namespace other" || !got.Running {
				t.Errorf("container: %+v", got)
			}
			continue
		}
		if _, err := l.Services.Content.Info(other.In(t.Context()), id); err != nil {
			t.Errorf("content of the other namespace: %v", err)
		}
	}
}

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

// A container that goes takes with it the record that kept its image, where that
// was asked for and the daemon can. The clock is late, for labels count seconds.
func TestBackReferences(t *testing.T) {
	for _, c := range []struct {
		asked   bool
		version string
		want    bool
	}{{true, "", true}, {true, "v2.2.0", true}, {true, "2.1.9", false}, {true, "1.6.20", false}, {false, "", false}} {
		l := newLab(t, nil)
		l.Services.Version = c.version
		l.open(t, &containerd.Options{BackReferences: c.asked, Now: func() time.Time { return time.Now().Add(-time.Minute) }})
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		run := fixture.Container{ID: "web", Image: "docker.io/library/app:1", Top: storetest.ChainID("os"), Running: true}
		if err := l.engine.Run(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if _, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		l.collect(t)
		if diff := cmp.Diff([]string{fixture.Dangling(id)}, l.records(t)); diff != "" {
			t.Errorf("%+v: records while it runs (-want +got):\n%s", c, diff)
		}
		if err := l.engine.RemoveContainer(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		l.collect(t)
		if got := len(l.records(t)) == 0; got != c.want {
			t.Errorf("%+v: the record has gone: %t", c, got)
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

// A daemon from before 2.0 removes a name whatever it names, so it is asked first.
func TestOlderDaemonsAreAskedFirst(t *testing.T) {
	for version, want := range map[string]int{"1.6.20": 1, "v1.7.0-rc.1": 1, "2.0.0": 0, "v2.4.2": 0, "": 0} {
		l := newLab(t, nil)
		l.Services.Version = version
		l.open(t, nil)
		l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		l.meter.counts = nil
		if _, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := l.meter.counts["images.Get"]; got != want {
			t.Errorf("version %q: %d questions, want %d", version, got, want)
		}
	}
}

// A name that has moved since it was looked at stays, and the error is NotFound,
// with an old daemon as with a new one.
func TestMovedNamesStay(t *testing.T) {
	for _, version := range []string{"", "1.6.20"} {
		l := newLab(t, nil)
		l.Services.Version = version
		l.open(t, nil)
		id := l.pull(t, "old", []string{"os"}, "docker.io/library/app:1")
		next := l.pull(t, "new", []string{"os"}, "docker.io/library/new:1")
		ref, err := reference.ParseNormalizedNamed("app:1")
		if err != nil {
			t.Fatal(err)
		}
		err = l.backend.Update(t.Context(), func(stores jettison.Stores) error {
			if err := l.engine.Move(t.Context(), ref.String(), next); err != nil {
				t.Fatal(err)
			}
			return stores.References.Delete(t.Context(), ref, id)
		})
		if got := scripttest.Classes(err); !slices.Equal(got, []string{"NotFound"}) {
			t.Errorf("version %q: classes %v of %v", version, got, err)
		}
		if !slices.Contains(l.records(t), ref.String()) {
			t.Errorf("version %q: the name is gone", version)
		}
	}
}

// An image whose content is missing is listed, and goes by name and by ID.
func TestMissingContent(t *testing.T) {
	for _, what := range []string{"target", "config", "index"} {
		for _, byID := range []bool{false, true} {
			l := newLab(t, nil)
			made := storetest.Spec{Name: "app", Layers: []string{"os"}}.Image()
			if what == "index" {
				made = storetest.IndexSpec{Name: "app", Images: []storetest.Spec{{Name: "one", Layers: []string{"os"}}}}.Image()
			}
			o := fixture.NewObject(made, fixture.Snapshotter)
			if err := l.engine.Pull(t.Context(), o, "", "docker.io/library/app:1"); err != nil {
				t.Fatal(err)
			}
			gone := o.Target.Digest
			if what == "config" {
				gone = made.ID()
			}
			if err := l.Services.Content.Delete(l.engine.In(t.Context()), gone); err != nil {
				t.Fatal(err)
			}
			if found, err := l.service.Resolve(t.Context(), "app:1"); err != nil || found.Image.ID != o.Target.Digest {
				t.Errorf("%s is missing: resolved to %s, %v", what, found.Image.ID, err)
			}
			name := "app:1"
			if byID {
				name = o.Target.Digest.String()
			}
			records, err := l.service.ImageDelete(t.Context(), name, jettison.RemoveOptions{})
			if err != nil || len(records) < 2 || len(l.records(t)) != 0 {
				t.Errorf("%s is missing, by ID %t: %v, %v, left %v", what, byID, records, err, l.records(t))
			}
		}
	}
}

// A lease keeps an image from every program: containerd's garbage collector keeps
// its content, and this one refuses to delete it. It ends when it is released.
func TestLeases(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	lease, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "container db"})
	if err != nil {
		t.Fatal(err)
	}
	l.open(t, nil) // another program
	_, err = l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	if !errors.Is(err, jettison.ErrConflict) {
		t.Errorf("deletion of a leased image: %v", err)
	}
	if err := l.engine.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	l.collect(t)
	if _, err := l.Services.Content.Info(l.engine.In(t.Context()), id); err != nil {
		t.Errorf("content of a lease after another program removed the name: %v", err)
	}
	for range 2 {
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if left, err := l.Services.Leases.List(l.engine.In(t.Context())); err != nil || len(left) != 0 {
		t.Errorf("leases after the release: %v, %v", left, err)
	}
}

// A lease on an image that another program deletes at that moment is none (rule
// L3).
func TestLeaseOnAnImageThatGoes(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	l.meter.before = func(name string) {
		if name == "leases.Create" {
			if err := l.engine.Forget(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "me"})
	if !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("lease: %v", err)
	}
	if left, err := l.Services.Leases.List(l.engine.In(t.Context())); err != nil || len(left) != 0 {
		t.Errorf("leases left: %v, %v", left, err)
	}
}

// A view of an image that nothing holds is garbage, and no use.
func TestGarbageIsNoUse(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	if err := l.engine.Mount(t.Context(), "left-behind", storetest.ChainID("os"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
		t.Errorf("deletion: %v", err)
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

// A context that has ended is Unavailable, and nothing has changed.
func TestEndedContext(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	ctx, cancel := context.WithCancel(t.Context())
	l.meter.before = func(name string) {
		if name == "content.Walk" {
			cancel()
		}
	}
	records, err := l.service.ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) || len(records) != 0 {
		t.Errorf("got %v, %v", records, err)
	}
	if diff := cmp.Diff([]string{"docker.io/library/app:1"}, l.records(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Services that are missing make an error, not a panic.
func TestNewChecksServices(t *testing.T) {
	if _, err := containerd.New(containerd.Services{}, nil); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("New without services: %v", err)
	}
}

// What another program keeps an image by cannot be ended here, and that is said.
func TestLeaseOfAnotherIsNotRemoved(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"a"}, "docker.io/library/app:1")
	ctx := l.engine.In(t.Context())
	made, err := l.Services.Leases.Create(ctx, leases.WithID("pull"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, made, leases.Resource{ID: id.String(), Type: "content"}))
	err = l.backend.Update(t.Context(), func(stores jettison.Stores) error {
		return stores.Leases.Remove(t.Context(), id, "pull")
	})
	wantRefusal(t, err, jettison.ErrConflict, "lease pull is another program's")
	left, err := l.Services.Leases.List(ctx)
	if err != nil || len(left) != 1 {
		t.Errorf("leases: got %v, %v, want that of the pull", left, err)
	}
}
