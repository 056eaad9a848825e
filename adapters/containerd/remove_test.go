package containerd_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

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

// A record does not go by itself when not all that uses its image is known to the
// daemon there: a container of another namespace, a mount, or a child.
func TestNoBackReferencesAlone(t *testing.T) {
	for _, user := range []string{"container", "mount", "child"} {
		l := newLab(t, nil)
		l.open(t, &containerd.Options{BackReferences: true, Namespaces: []string{"other"}})
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		run := fixture.Container{ID: "web", Image: "docker.io/library/app:1", Top: storetest.ChainID("os"), Running: true}
		must(t, l.engine.Run(t.Context(), run))
		switch user {
		case "mount":
			must(t, l.engine.Mount(t.Context(), "volume", storetest.ChainID("os"), "holder"))
		case "child":
			o := fixture.NewObject(storetest.Spec{Name: "child", Layers: []string{"os", "child"}}.Image(), fixture.Snapshotter)
			must(t, l.engine.Pull(t.Context(), o, id, "docker.io/library/child:1"))
		default:
			other := &fixture.Engine{Services: l.Services, Namespace: "other", Snapshotter: fixture.Snapshotter, Runner: l.Tasks}
			o := fixture.NewObject(storetest.Spec{Name: "app", Layers: []string{"os"}}.Image(), fixture.Snapshotter)
			must(t, other.Pull(t.Context(), o, "", "docker.io/library/app:1"))
			run.ID = "far"
			must(t, other.Run(t.Context(), run))
		}
		_, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true})
		must(t, err)
		record, err := l.Services.Images.Get(l.engine.In(t.Context()), fixture.Dangling(id))
		must(t, err)
		if len(record.Labels) > 0 {
			t.Errorf("used by a %s too: labels %v", user, record.Labels)
		}
	}
}

// Where the name that would keep an image means another one, nothing is removed.
func TestRecordOfAnotherIsInTheWay(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	l.pull(t, "other", []string{"other"}, fixture.Dangling(id))
	must(t, l.engine.Run(t.Context(), fixture.Container{ID: "web", Image: "docker.io/library/app:1", Top: storetest.ChainID("os"), Running: true}))
	records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true})
	wantRefusal(t, err, jettison.ErrConflict, fixture.Dangling(id))
	if diff := cmp.Diff([]string{"docker.io/library/app:1", fixture.Dangling(id)}, l.records(t)); diff != "" || len(records) > 0 {
		t.Errorf("records %v; names (-want +got):\n%s", records, diff)
	}
}

// A name may expire; the record that keeps the image when it is removed does not.
func TestRecordOfAnExpiringName(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	must(t, l.engine.Label(t.Context(), id, map[string]string{
		"containerd.io/gc.expire":         time.Now().Add(-time.Minute).Format(time.RFC3339),
		"containerd.io/gc.bref.container": "of-long-ago",
		"team":                            "a",
	}))
	must(t, l.engine.Run(t.Context(), fixture.Container{ID: "web", Image: "docker.io/library/app:1", Top: storetest.ChainID("os"), Running: true}))
	_, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true})
	must(t, err)
	record, err := l.Services.Images.Get(l.engine.In(t.Context()), fixture.Dangling(id))
	must(t, err)
	if diff := cmp.Diff(map[string]string{"team": "a"}, record.Labels); diff != "" {
		t.Errorf("labels of the record (-want +got):\n%s", diff)
	}
	l.collect(t)
	if diff := cmp.Diff([]string{fixture.Dangling(id)}, l.records(t)); diff != "" {
		t.Errorf("records while the container runs (-want +got):\n%s", diff)
	}
}

// A record without a name that is there already, and would go with a container, is
// made to stay when the last name goes and the image does not.
func TestExpiringRecordIsThere(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}) // it dangles
	must(t, l.engine.Label(t.Context(), id, map[string]string{
		"containerd.io/gc.expire":         time.Now().Add(-time.Minute).Format(time.RFC3339),
		"containerd.io/gc.bref.container": "web",
	}))
	records, err := l.Services.Images.List(l.engine.In(t.Context()))
	must(t, err)
	for _, name := range []string{"web", "db"} {
		must(t, l.engine.Run(t.Context(), fixture.Container{ID: name, Image: "docker.io/library/app:1", Top: storetest.ChainID("os"), Running: true}))
	}
	_, err = l.Services.Images.Create(l.engine.In(t.Context()), images.Image{Name: "docker.io/library/app:1", Target: records[0].Target})
	must(t, err)
	_, err = l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true})
	must(t, err)
	must(t, l.engine.RemoveContainer(t.Context(), "web"))
	l.collect(t)
	if diff := cmp.Diff([]string{fixture.Dangling(id)}, l.records(t)); diff != "" {
		t.Errorf("records while the other container runs (-want +got):\n%s", diff)
	}
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

// older are images of a daemon that removes a name whatever it names.
type older struct{ images.Store }

func (s older) Delete(ctx context.Context, name string, _ ...images.DeleteOpt) error {
	return s.Store.Delete(ctx, name)
}

// Of two records that are one reference, another program may remove one at the same
// time: the reference has gone then, and so has the image.
func TestOneSpellingGoesMeanwhile(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1", "app:1")
	var once sync.Once
	l.meter.before = func(name string) {
		if name == "images.Delete" {
			once.Do(func() { must(t, l.Services.Images.Delete(l.engine.In(t.Context()), "app:1")) })
		}
	}
	records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if err != nil || len(records) != 3 {
		t.Errorf("got %v, %v, want a name, an image and a layer", records, err)
	}
}

// A name that has moved since it was looked at stays, and the error is NotFound,
// with an old daemon as with a new one.
func TestMovedNamesStay(t *testing.T) {
	for _, version := range []string{"", "1.6.20"} {
		l := newLab(t, nil)
		l.Services.Version = version
		if version != "" {
			l.Services.Images = older{l.Services.Images}
		}
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
