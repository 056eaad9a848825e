//go:build interop && linux

package containerd_test

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/google/go-cmp/cmp"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/internal/containerdtest"
	"github.com/jettison-oci/jettison/storetest"
)

// A scene is a daemon with images, and a service over it.
type scene struct {
	*fixture.Engine
	daemon  *containerdtest.Daemon
	service *jettison.Service
}

// newScene starts a daemon. Wrap changes the services of which the backend is
// made; nil leaves them as they are.
func newScene(t testing.TB, wrap func(containerd.Services, *containerdtest.Daemon) containerd.Services) *scene {
	t.Helper()
	d := containerdtest.Start(t)
	s := &scene{daemon: d, Engine: &fixture.Engine{
		Services: dial(t, d), Namespace: "test", Snapshotter: fixture.Snapshotter, Runner: &fixture.Tasks{},
	}}
	services := s.Services
	if wrap != nil {
		services = wrap(services, d)
	}
	backend, err := containerd.New(services, &containerd.Options{Namespace: s.Namespace})
	must(t, err)
	s.service = jettison.New(backend, nil)
	return s
}

// pull makes an image with these names.
func (s *scene) pull(t testing.TB, spec storetest.Spec, names ...string) fixture.Object {
	t.Helper()
	o := fixture.NewObject(spec.Image(), s.Snapshotter)
	for i, name := range names {
		names[i] = "docker.io/library/" + name
	}
	must(t, s.Pull(t.Context(), o, "", names...))
	return o
}

// restart starts the daemon again, and waits until the connection is there too:
// gRPC tries again after a while.
func (s *scene) restart(t testing.TB) {
	t.Helper()
	s.daemon.Run()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		_, err := s.Services.Images.List(s.In(t.Context()))
		if err == nil {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("the daemon runs again, but the connection does not: %v", err)
		}
	}
}

// names lists all records.
func (s *scene) names(t testing.TB) []string {
	t.Helper()
	records, err := s.Services.Images.List(s.In(t.Context()))
	must(t, err)
	var names []string
	for _, record := range records {
		names = append(names, strings.TrimPrefix(record.Name, "docker.io/library/"))
	}
	slices.Sort(names)
	return names
}

func (s *scene) wantNames(t testing.TB, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.names(t)); diff != "" {
		t.Errorf("names in the daemon (-want +got):\n%s", diff)
	}
}

// A daemon that does not answer is waited for until the context ends. Nothing is
// claimed then, and when it answers again the deletion can be repeated.
func TestInteropDaemonSlow(t *testing.T) {
	s := newScene(t, nil)
	s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
	s.daemon.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	records, err := s.service.ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	wantRefusal(t, err, jettison.ErrUnavailable, "")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want one of the context", err)
	}
	if len(records) > 0 || time.Since(began) > patience {
		t.Errorf("after %s: got records %v, want none at the deadline", time.Since(began), records)
	}
	s.daemon.Thaw()
	s.wantNames(t, "app:1")
	if _, err := s.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
		t.Errorf("once the daemon answers again: %v", err)
	}
	s.wantNames(t)
}

// A connection that takes its time changes nothing but the time.
func TestInteropConnectionSlow(t *testing.T) {
	s := newScene(t, nil)
	s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
	address := slowly(t, s.daemon.Address(), 30*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err := containerd.Dial(ctx, address, nil)
	wantRefusal(t, err, jettison.ErrUnavailable, "")

	backend, c, err := containerd.Dial(t.Context(), address, &containerd.Options{Namespace: s.Namespace})
	must(t, err)
	defer c.Close() //nolint:errcheck // nothing is under way then
	service := jettison.New(backend, nil)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	records, err := service.ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	wantRefusal(t, err, jettison.ErrUnavailable, "")
	if len(records) > 0 {
		t.Errorf("got records %v, want none", records)
	}
	s.wantNames(t, "app:1")
	if _, err := service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
		t.Errorf("with enough time: %v", err)
	}
	s.wantNames(t)
}

// slowly passes on what is said to a socket, each piece later by delay, and
// returns the address at which it does.
func slowly(t *testing.T, address string, delay time.Duration) string {
	t.Helper()
	path := shortDir(t) + "/slow.sock"
	serve(listen(t, path), func(conn net.Conn) {
		to, err := net.Dial("unix", address)
		if err != nil {
			return
		}
		defer to.Close() //nolint:errcheck // nobody is there any more
		go pass(conn, to, delay)
		pass(to, conn, delay)
	})
	return path
}

func pass(to, from net.Conn, delay time.Duration) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		time.Sleep(delay)
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			_ = to.Close() // the other direction ends with it
			return
		}
	}
}

// dying are images whose daemon dies with the n-th deletion of a record: before
// it, or when it is done and before that is said.
type dying struct {
	images.Store
	daemon *containerdtest.Daemon
	left   int
	after  bool
}

func (d *dying) Delete(ctx context.Context, name string, opts ...images.DeleteOpt) error {
	d.left--
	if d.left == 0 && !d.after {
		d.daemon.Kill()
	}
	err := d.Store.Delete(ctx, name, opts...)
	if d.left == 0 && d.after {
		d.daemon.Kill()
		_, err = d.Get(ctx, name) // as a lost answer is: the connection has ended
	}
	return err
}

// When the daemon dies in the middle, what was done before is reported, what is
// not known to be done is not, and a repetition does the rest.
func TestInteropDaemonDies(t *testing.T) {
	for _, tc := range []struct {
		name  string
		at    int
		after bool
		done  []string // reported
		left  []string // in the daemon, before the repetition
	}{
		{"before the first name", 1, false, nil, []string{"app:1", "web:1"}},
		{"after the first name", 1, true, nil, []string{"web:1"}},
		{"before the second name", 2, false, []string{"app:1"}, []string{"web:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, func(services containerd.Services, d *containerdtest.Daemon) containerd.Services {
				services.Images = &dying{Store: services.Images, daemon: d, left: tc.at, after: tc.after}
				return services
			})
			o := s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1", "web:1")
			records, err := s.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true})
			wantRefusal(t, err, jettison.ErrUnavailable, ":1")
			var untagged []string
			for _, record := range records {
				untagged = append(untagged, record.Untagged)
			}
			if diff := cmp.Diff(tc.done, untagged); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			s.restart(t)
			left := slices.DeleteFunc(s.names(t), func(name string) bool { return name == fixture.Dangling(o.Target.Digest) })
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("names in the daemon (-want +got):\n%s", diff)
			}
			if _, err := s.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true}); err != nil {
				t.Errorf("repeated: %v", err)
			}
			s.wantNames(t)
			s.wantEmpty(t)
		})
	}
}

// moved are images of which a name moves when it is first asked what it names, or
// else before the first is removed.
type moved struct {
	images.Store
	move func()
}

func (m *moved) Get(ctx context.Context, name string) (images.Image, error) {
	m.once()
	return m.Store.Get(ctx, name)
}

func (m *moved) Delete(ctx context.Context, name string, opts ...images.DeleteOpt) error {
	m.once()
	return m.Store.Delete(ctx, name, opts...)
}

func (m *moved) once() {
	if m.move != nil {
		m.move()
		m.move = nil
	}
}

// A daemon older than 2.0 removes a name whatever it names by then. It is asked
// before, so one that has moved meanwhile is left alone.
func TestInteropNameMoves(t *testing.T) {
	hook := &moved{}
	s := newScene(t, func(services containerd.Services, _ *containerdtest.Daemon) containerd.Services {
		hook.Store = services.Images
		services.Images = hook
		return services
	})
	if !strings.HasPrefix(s.Services.Version, "1.") {
		t.Skipf("containerd %s compares by itself", s.Services.Version)
	}
	s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
	other := s.pull(t, storetest.Spec{Name: "other", Layers: []string{"b"}}, "other:1")
	hook.move = func() { must(t, s.Move(t.Context(), "docker.io/library/app:1", other.Target.Digest)) }
	records, err := s.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	wantRefusal(t, err, jettison.ErrNotFound, "app:1")
	if len(records) > 0 || hook.move != nil {
		t.Errorf("got records %v, want none; the name moved: %t", records, hook.move == nil)
	}
	record, err := s.Services.Images.Get(s.In(t.Context()), "docker.io/library/app:1")
	if err != nil || record.Target.Digest != other.Target.Digest {
		t.Errorf("app:1 names %s (%v), want the image that it moved to", record.Target.Digest, err)
	}
}

// An image that another program names between the look and the deletion stays, and
// is not said to have gone.
func TestInteropNamedMeanwhile(t *testing.T) {
	hook := &moved{}
	s := newScene(t, func(services containerd.Services, _ *containerdtest.Daemon) containerd.Services {
		hook.Store = services.Images
		services.Images = hook
		return services
	})
	o := s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
	hook.move = func() { must(t, s.Move(t.Context(), "docker.io/library/late:1", o.Target.Digest)) }
	records, err := s.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	must(t, err)
	if diff := cmp.Diff([]jettison.DeleteResponse{{Untagged: "app:1"}}, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	s.wantNames(t, "late:1")
	out, err := s.daemon.Ctr(s.Namespace, "images", "check")
	if must(t, err); !strings.Contains(out, "complete (2/2)") || !strings.Contains(out, "true") {
		t.Errorf("the image is not whole: %s", out)
	}
}

// wantEmpty checks that a daemon without images has neither content nor
// snapshots.
func (s *scene) wantEmpty(t testing.TB) {
	t.Helper()
	for _, what := range []string{"content", "snapshots"} {
		out, err := s.daemon.Ctr(s.Namespace, what, "ls")
		must(t, err)
		if strings.Contains(out, "sha256:") {
			t.Errorf("%s without an image: %s", what, out)
		}
	}
}

// An image whose content is gone can be looked at as damaged, and can be removed
// all the same. Others are as they were.
func TestInteropContentMissing(t *testing.T) {
	for _, tc := range []struct {
		name string
		blob int // of those of the image: layer, configuration, manifest
	}{{"layer", 0}, {"configuration", 1}, {"manifest", 2}} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene(t, nil)
			o := s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
			s.pull(t, storetest.Spec{Name: "web", Layers: []string{"b"}}, "web:1")
			must(t, os.Remove(s.daemon.Blob(digest.FromBytes(o.Blobs[tc.blob].Data).String())))
			if _, err := s.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
				t.Errorf("by name: %v", err)
			}
			id := o.Target.Digest.String()
			if _, err := s.service.ImageDelete(t.Context(), id, jettison.RemoveOptions{}); err != nil && !errors.Is(err, jettison.ErrNotFound) {
				t.Errorf("by ID: %v", err)
			}
			s.wantNames(t, "web:1")
			report, err := s.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			must(t, err)
			if len(report.ImagesDeleted) == 0 {
				t.Error("the other image is not pruned")
			}
			s.wantNames(t)
			s.wantEmpty(t)
		})
	}
}

// A namespace that is not there is an empty one, and is not made by looking.
func TestInteropNamespaces(t *testing.T) {
	s := newScene(t, nil)
	s.pull(t, storetest.Spec{Name: "app", Layers: []string{"a"}}, "app:1")
	backend, err := containerd.New(s.Services, &containerd.Options{Namespace: "elsewhere"})
	must(t, err)
	elsewhere := jettison.New(backend, nil)
	_, err = elsewhere.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	wantRefusal(t, err, jettison.ErrNotFound, "No such image: app:1")
	report, err := elsewhere.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil || len(report.ImagesDeleted) > 0 {
		t.Errorf("prune of an empty namespace: %v, %v", report, err)
	}
	out, err := s.daemon.Ctr("default", "namespaces", "ls", "-q")
	if must(t, err); strings.Contains(out, "elsewhere") {
		t.Errorf("looking has made a namespace: %s", out)
	}
	_, err = containerd.New(s.Services, &containerd.Options{Namespace: "no name"})
	wantRefusal(t, err, jettison.ErrInvalidArgument, "no name")
	s.wantNames(t, "app:1")
}
