package containerd_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// A lab is a store with an engine and a service whose calls are counted.
type lab struct {
	*fixture.Process
	engine  *fixture.Engine
	meter   *meter
	service *jettison.Service
	backend *containerd.Backend
}

func newLab(t *testing.T, opts *containerd.Options) *lab {
	t.Helper()
	p := fixture.Open(t)
	l := &lab{
		Process: p, meter: &meter{},
		engine: &fixture.Engine{Services: p.Services, Namespace: "default", Snapshotter: fixture.Snapshotter, Runner: p.Tasks},
	}
	l.open(t, opts)
	return l
}

// open opens another backend over the store, as a program that is started anew.
func (l *lab) open(t *testing.T, opts *containerd.Options) {
	t.Helper()
	b, err := containerd.New(l.meter.over(l.Services), opts)
	if err != nil {
		t.Fatal(err)
	}
	l.backend, l.service = b, jettison.New(b, nil)
}

// pull makes an image of these layers and returns its ID.
func (l *lab) pull(t *testing.T, name string, layers []string, records ...string) digest.Digest {
	t.Helper()
	o := fixture.NewObject(storetest.Spec{Name: name, Layers: layers}.Image(), fixture.Snapshotter)
	if err := l.engine.Pull(t.Context(), o, "", records...); err != nil {
		t.Fatal(err)
	}
	return o.Target.Digest
}

// records are the names that are stored.
func (l *lab) records(t *testing.T) []string {
	t.Helper()
	all, err := l.Services.Images.List(l.engine.In(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, record := range all {
		names = append(names, record.Name)
	}
	return names
}

// Every list is asked for once in an operation, however many questions it has; the
// names of what was deleted once more, when its garbage has been collected.
func TestOneListAnOperation(t *testing.T) {
	l := newLab(t, nil)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		l.pull(t, name, []string{"os", name}, "docker.io/library/"+name+":1", "docker.io/library/"+name+":2")
	}
	if err := l.engine.Run(t.Context(), fixture.Container{ID: "web", Image: "docker.io/library/a:1", Top: storetest.ChainID("os", "a")}); err != nil {
		t.Fatal(err)
	}
	lists := []string{"containers.List", "tasks", "leases.List", "content.Walk", "snapshots.Walk", "namespaces.List"}
	check := func(what string, names int) {
		t.Helper()
		if got := l.meter.counts["images.List"]; got != names {
			t.Errorf("%s: %d lists of names, want %d", what, got, names)
		}
		for _, name := range lists {
			if got := l.meter.counts[name]; got != 1 {
				t.Errorf("%s: %d calls of %s, want 1", what, got, name)
			}
		}
		l.meter.counts = nil
	}
	l.meter.counts = nil
	if _, err := l.service.ImagesDelete(t.Context(), []string{"b:1", "b:2", "c:1", "c:2"}, jettison.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	check("a deletion of four names", 2)
	if _, err := l.service.PlanPrune(t.Context(), jettison.PruneOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	check("the plan of a prune", 1)
}

// A deletion is tried with each of its calls failing, before or after it has done
// its work: what is reported has happened, the error has one class, the image is
// there or it is not, and a second try completes it.
func TestFaults(t *testing.T) {
	for _, late := range []bool{false, true} {
		calls := []string{""} // none fails at first, to tell which there are
		for n := 0; n < len(calls); n++ {
			l := newLab(t, nil)
			id := l.pull(t, "app", []string{"os", "app"},
				"docker.io/library/app:1", "docker.io/library/app@"+digest.FromString("d").String(), digest.FromString("config").String())
			l.pull(t, "other", []string{"os"}, "docker.io/library/other:1")
			l.open(t, nil)
			l.meter.restart(calls[n], late)
			records, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
			if n == 0 {
				calls = append(calls, l.meter.calls...)
			}
			l.meter.failing = ""
			checkClaims(t, l, calls[n], records)
			if err != nil {
				if got := scripttest.Classes(err); !slices.Equal(got, []string{"Unavailable"}) {
					t.Errorf("%s fails: classes %v of %v", calls[n], got, err)
				}
				again(t, l, calls[n], id)
			}
			if names := l.records(t); !slices.Equal(names, []string{"docker.io/library/other:1"}) {
				t.Errorf("%s fails, late %t: %v is left after a second try", calls[n], late, names)
			}
		}
	}
}

// A prune is tried in the same way: what its report says has happened, and another one
// completes it.
func TestPruneFaults(t *testing.T) {
	for _, late := range []bool{false, true} {
		calls := []string{""}
		for n := 0; n < len(calls); n++ {
			l := newLab(t, nil)
			l.pull(t, "app", []string{"os", "app"}, "docker.io/library/app:1", "docker.io/library/app:2")
			l.pull(t, "other", []string{"os"}, "docker.io/library/other:1")
			l.meter.restart(calls[n], late)
			report, err := l.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true, BatchSize: 1})
			if n == 0 {
				calls = append(calls, l.meter.calls...)
			}
			l.meter.failing = ""
			checkClaims(t, l, calls[n], report.ImagesDeleted)
			if got := scripttest.Classes(err); err != nil && !slices.Equal(got, []string{"Unavailable"}) {
				t.Errorf("%s fails: classes %v of %v", calls[n], got, err)
			}
			if _, err := l.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true}); err != nil {
				t.Errorf("%s failed, and the second try: %v", calls[n], err)
			}
			l.collect(t)
			if names, bytes := l.records(t), l.diskUsage(t); len(names) > 0 || bytes > 0 {
				t.Errorf("%s fails, late %t: %v and %d bytes are left after a second try", calls[n], late, names, bytes)
			}
		}
	}
}

// checkClaims makes sure that what is said to be gone is gone: names, images with all
// of them, and snapshots.
func checkClaims(t *testing.T, l *lab, call string, records []jettison.DeleteResponse) {
	t.Helper()
	ctx := l.engine.In(t.Context())
	for _, r := range records {
		left := slices.Contains(l.records(t), "docker.io/library/"+r.Untagged)
		if r.Deleted != "" {
			named, err := l.Services.Images.List(ctx, "target.digest=="+r.Deleted)
			_, gone := l.Services.Snapshotter(fixture.Snapshotter).Stat(ctx, r.Deleted)
			left = err != nil || len(named) > 0 || gone == nil
		}
		if left {
			t.Errorf("%s fails: %s is reported, and there; records: %v", call, r, records)
		}
	}
}

// again deletes what is left of the image: by its name, or else by its ID.
func again(t *testing.T, l *lab, call string, id digest.Digest) {
	t.Helper()
	_, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if errors.Is(err, jettison.ErrNotFound) {
		_, err = l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	}
	if err != nil && !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("%s failed, and the second try: %v", call, err)
	}
}
