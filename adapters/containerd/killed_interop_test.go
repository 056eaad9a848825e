//go:build interop && linux

package containerd_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// TestInteropDaemonKilled kills the daemon at random in the middle of deletions,
// JETTISON_TEST_DAEMON_KILLS of them, starts it again each time and looks whether
// what is there fits together, and fits what the deletion reported.
func TestInteropDaemonKilled(t *testing.T) {
	kills := 6
	if text := os.Getenv("JETTISON_TEST_DAEMON_KILLS"); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		must(t, err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &killing{scene: newScene(t, nil), random: rand.New(rand.NewPCG(seed, 0)), ends: make(map[string]int)}
	k.pull(t, storetest.Spec{Name: "stays", Layers: []string{"base", "stays"}}, "stays:1")
	k.typical = k.uninterrupted(t)
	for i := range kills {
		k.round(t, i)
	}
	t.Logf("one deletion takes %s; it ended: %v", k.typical, k.ends)
	if kills >= 20 && len(k.ends) < 2 {
		t.Errorf("the daemon was always killed at the same place: %v", k.ends)
	}
}

// A killing is a scene in which deletions are interrupted.
type killing struct {
	*scene
	random  *rand.Rand
	typical time.Duration
	ends    map[string]int // how deletions ended, and how often
}

// image makes an image with three names, which shares a layer with one that stays.
func (k *killing) image(t testing.TB, i int) fixture.Object {
	name := fmt.Sprintf("app%d", i+10)
	return k.pull(t, storetest.Spec{Name: name, Layers: []string{"base", "middle", name}}, name+":1", name+":2", "web"+name+":1")
}

// uninterrupted is how long a deletion takes: the shortest of some.
func (k *killing) uninterrupted(t testing.TB) time.Duration {
	t.Helper()
	shortest := time.Hour
	for i := range 5 {
		o := k.image(t, -1-i)
		began := time.Now()
		_, err := k.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true})
		must(t, err)
		shortest = min(shortest, time.Since(began))
	}
	return shortest
}

// round makes an image, kills the daemon while it is deleted, and looks.
func (k *killing) round(t *testing.T, i int) {
	t.Helper()
	o := k.image(t, i)
	before := k.names(t)
	killed := make(chan struct{})
	wait := time.Duration(k.random.Int64N(int64(k.typical)))
	time.AfterFunc(wait, func() {
		defer close(killed)
		k.daemon.Kill()
	})
	records, err := k.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true})
	<-killed
	k.restart(t)
	k.note(records, err)
	if err != nil {
		wantRefusal(t, err, jettison.ErrUnavailable, "")
	}
	gone := without(before, k.names(t))
	k.checkReported(t, o.Target.Digest, gone, records, err)
	k.checkWhole(t)
	if _, err := k.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true}); err != nil && !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("round %d: repeated: %v", i, err)
	}
	k.wantNames(t, "stays:1")
	k.checkCollected(t)
}

// note counts how a deletion ended.
func (k *killing) note(records []jettison.DeleteResponse, err error) {
	switch {
	case err == nil:
		k.ends["before the kill"]++
	case len(records) == 0:
		k.ends["with nothing reported"]++
	default:
		k.ends[fmt.Sprintf("with %d records", len(records))]++
	}
}

// checkReported compares what is gone with what was said to be. A name may have
// gone without a record if the answer was lost; then the error is about it.
func (k *killing) checkReported(t *testing.T, id digest.Digest, gone []string, records []jettison.DeleteResponse, err error) {
	t.Helper()
	var reported []string
	for _, record := range records {
		if record.Untagged != "" {
			reported = append(reported, record.Untagged)
		}
		if record.Deleted != "" {
			k.checkDeleted(t, digest.Digest(record.Deleted))
		}
	}
	if still := without(reported, gone); len(still) > 0 {
		t.Errorf("reported as untagged, and still there: %v; %v", still, err)
	}
	for _, name := range without(gone, reported) {
		dangling := name == fixture.Dangling(id)
		if err == nil || !dangling && !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), id.String()) {
			t.Errorf("%s is gone, and was not reported: %v", name, err)
		}
	}
}

// checkDeleted looks for what was reported as deleted: an image or a layer.
func (k *killing) checkDeleted(t *testing.T, id digest.Digest) {
	t.Helper()
	ctx := k.In(t.Context())
	records, err := k.Services.Images.List(ctx, "target.digest=="+id.String())
	must(t, err)
	if len(records) > 0 {
		t.Errorf("image %s was reported as deleted, and has names: %v", id, records)
	}
	if info, err := k.Services.Snapshotter(k.Snapshotter).Stat(ctx, id.String()); err == nil {
		t.Errorf("layer %s was reported as deleted, and is there: %v", id, info)
	}
}

// checkWhole checks that every image that has a name has all its content and is
// unpacked.
func (k *killing) checkWhole(t *testing.T) {
	t.Helper()
	ctx := k.In(t.Context())
	records, err := k.Services.Images.List(ctx)
	must(t, err)
	for _, record := range records {
		if _, err := reference.ParseNormalizedNamed(record.Name); err != nil && record.Name != fixture.Dangling(record.Target.Digest) {
			t.Errorf("a name that nobody gave: %s", record.Name)
		}
		needed := k.reach(t, record.Target.Digest)
		blobs, layers := slices.Collect(maps.Keys(needed.content)), slices.Collect(maps.Keys(needed.snapshots))
		if len(blobs) < 4 || len(layers) < 2 {
			t.Errorf("%s: got content %v and layers %v, want all of an image", record.Name, blobs, layers)
		}
		if err := images.Walk(ctx, images.ChildrenHandler(k.Services.Content), record.Target); err != nil {
			t.Errorf("%s is not whole: %v", record.Name, err)
		}
	}
}

// needed is what an image needs, as far as it is there.
type needed struct {
	content   map[digest.Digest]bool
	snapshots map[string]bool
}

// reach follows the labels of the garbage collector.
func (k *killing) reach(t *testing.T, from digest.Digest) needed {
	t.Helper()
	n := needed{content: make(map[digest.Digest]bool), snapshots: make(map[string]bool)}
	k.follow(t, n, from)
	return n
}

func (k *killing) follow(t *testing.T, n needed, id digest.Digest) {
	t.Helper()
	ctx := k.In(t.Context())
	info, err := k.Services.Content.Info(ctx, id)
	if err != nil {
		t.Errorf("content %s is needed: %v", id, err)
		return
	}
	n.content[id] = true
	for label, value := range info.Labels {
		if strings.HasPrefix(label, "containerd.io/gc.ref.content.") {
			k.follow(t, n, digest.Digest(value))
		}
		if label == "containerd.io/gc.ref.snapshot."+k.Snapshotter {
			for key := value; key != ""; {
				layer, err := k.Services.Snapshotter(k.Snapshotter).Stat(ctx, key)
				if err != nil {
					t.Errorf("snapshot %s is needed: %v", key, err)
					return
				}
				n.snapshots[key], key = true, layer.Parent
			}
		}
	}
}

// checkCollected checks that what no image needs goes, once garbage is collected.
func (k *killing) checkCollected(t *testing.T) {
	t.Helper()
	ctx := k.In(t.Context())
	must(t, k.collect(ctx))
	all := needed{content: make(map[digest.Digest]bool), snapshots: make(map[string]bool)}
	records, err := k.Services.Images.List(ctx)
	must(t, err)
	for _, record := range records {
		k.follow(t, all, record.Target.Digest)
	}
	must(t, k.Services.Content.Walk(ctx, func(info content.Info) error {
		if !all.content[info.Digest] {
			t.Errorf("content %s is left, and no image needs it", info.Digest)
		}
		return nil
	}))
	must(t, k.Services.Snapshotter(k.Snapshotter).Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if !all.snapshots[info.Name] {
			t.Errorf("snapshot %s is left, and no image needs it", info.Name)
		}
		return nil
	}))
	left, err := k.Services.Leases.List(ctx)
	must(t, err)
	for _, lease := range left {
		if lease.Labels["containerd.io/gc.expire"] == "" {
			t.Errorf("a lease is left for ever: %v", lease)
		}
	}
}

// collect has the daemon collect garbage, as it does when a lease ends for whose
// end somebody waits.
func (s *scene) collect(ctx context.Context) error {
	made, err := s.Services.Leases.Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	if err != nil {
		return err
	}
	return s.Services.Leases.Delete(ctx, made, leases.SynchronousDelete)
}

// without returns what of all is not in some, sorted.
func without(all, some []string) []string {
	left := slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
	slices.Sort(left)
	return left
}
