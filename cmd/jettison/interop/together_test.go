//go:build interop

package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ok fails the test unless the command succeeded, and returns what it printed.
func (s *site) ok(got answer) string {
	s.t.Helper()
	if got.status != 0 {
		s.t.Fatalf("exit status %d: %s", got.status, got.err)
	}
	return got.out
}

// tags are those of the images that podman lists, sorted.
func (s *site) tags() []string {
	s.t.Helper()
	all := lines(s.must("images", "-a", "--format", "{{.Repository}}:{{.Tag}}"))
	slices.Sort(all)
	return all
}

// wantTags checks what podman lists, and that the store is sound.
func (s *site) wantTags(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(s.tags(), want); diff != "" {
		s.t.Errorf("images that podman lists: got (-), want (+)\n%s", diff)
	}
	if wrong := s.unsound(); len(wrong) > 0 {
		s.t.Errorf("the store is not sound:\n%s", strings.Join(wrong, "\n"))
	}
}

// TestPodmanLooks removes with the command what podman built, and lets podman
// use what is left.
func TestPodmanLooks(t *testing.T) {
	s := newSite(t, *driver)
	s.stage([]string{
		"build base tag=base:1", "build app from=base layers=3 tag=app:1", "build web from=base tag=web:1",
		"podman tag app:1 app:2", "container db web:1",
		"podman manifest create all containers-storage:localhost/base:1",
	})
	s.ok(s.jettison("rmi", "app:1"))
	s.wantTags("<none>:<none>", "<none>:<none>", "localhost/all:latest", "localhost/app:2", "localhost/base:1", "localhost/web:1")
	s.ok(s.jettison("rmi", "app:2", "all"))
	s.wantTags("localhost/base:1", "localhost/web:1")
	s.must("image", "tree", "web:1")
	s.must("image", "inspect", "base:1", "web:1")

	if got := s.jettison("rmi", "web:1"); got.status == 0 {
		t.Errorf("an image in use was removed: %s", got.out)
	}
	s.must("rm", "db")
	s.set("build more from=web tag=more:1")
	s.wantTags("localhost/base:1", "localhost/more:1", "localhost/web:1")
	s.ok(s.jettison("rmi", "base:1", "web:1", "more:1"))
	s.wantTags()
}

// TestJettisonLooks works with the command on what podman has changed.
func TestJettisonLooks(t *testing.T) {
	s := newSite(t, *driver)
	s.stage([]string{"build base tag=base:1", "build app from=base layers=3 tag=app:1", "build web from=base tag=web:1"})
	s.ok(s.jettison("images"))
	s.must("rmi", "app:1")
	s.must("tag", "web:1", "web:2")
	if got := s.ok(s.jettison("images")); strings.Contains(got, "app") || !strings.Contains(got, "web") {
		t.Errorf("images after podman removed one and tagged one:\n%s", got)
	}
	for _, args := range [][]string{{"tree"}, {"inspect", "web:2"}, {"history", "web:2"}, {"rmi", "--dry-run", "web:2"}, {"prune", "-a", "--dry-run"}} {
		if got := s.ok(s.jettison(args...)); got == "" {
			t.Errorf("%q printed nothing", args)
		}
	}
	s.wantTags("localhost/base:1", "localhost/web:1", "localhost/web:2")
	s.ok(s.jettison("prune", "-a", "--force"))
	s.wantTags()
}

// TestAtOnce removes images with the command while podman builds and tags others
// in the same store. Both must always succeed, and neither may lose anything.
func TestAtOnce(t *testing.T) {
	const images = 8
	s := newSite(t, *driver)
	s.stage([]string{"build base tag=base:1"})
	built, removed := make(chan int, images), make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		defer close(built)
		for i := range images {
			s.buildAndTag(i)
			built <- i
		}
	})
	work.Go(func() {
		defer close(removed)
		for i := range built {
			s.removeSome(i)
		}
	})
	work.Go(func() {
		for {
			select {
			case <-removed:
				return
			case <-time.After(50 * time.Millisecond):
				s.lookAround()
			}
		}
	})
	work.Wait()
	want := []string{"localhost/base:1"}
	for i := 1; i < images; i += 2 {
		want = append(want, fmt.Sprintf("localhost/kept:%d", i), "<none>:<none>") // and the one that it was built on
	}
	slices.Sort(want)
	s.wantTags(want...)
}

// buildAndTag builds an image on the base, with an intermediate one between, and
// gives it a second name.
func (s *site) buildAndTag(i int) {
	s.t.Helper()
	context := fmt.Sprintf("context%d", i)
	s.write(context+"/Containerfile", fmt.Sprintf("FROM localhost/base:1\nCOPY file /%d\nLABEL i=%d\n", i, i))
	s.write(context+"/file", strings.Repeat("content", 1000))
	s.succeeds(s.podman("build", "-q", "--isolation", "chroot", "--layers", "-t", fmt.Sprintf("app:%d", i), s.path(context)))
	s.succeeds(s.podman("tag", fmt.Sprintf("app:%d", i), fmt.Sprintf("kept:%d", i)))
}

// removeSome removes one name of the image, and of every other image both.
func (s *site) removeSome(i int) {
	s.t.Helper()
	names := []string{"rmi", fmt.Sprintf("localhost/app:%d", i)}
	if i%2 == 0 {
		names = append(names, fmt.Sprintf("localhost/kept:%d", i))
	}
	s.succeeds(s.jettison(names...))
}

// lookAround reads the store while it changes. Podman's own list fails then, when an
// image goes that it has begun with.
func (s *site) lookAround() {
	s.t.Helper()
	s.succeeds(s.jettison("images", "-a"))
	s.succeeds(s.jettison("prune", "-a", "--dry-run"))
}

// succeeds is ok for commands that run at once: the others go on.
func (s *site) succeeds(got answer) {
	s.t.Helper()
	if got.status != 0 {
		s.t.Errorf("exit status %d: %s", got.status, got.err)
	}
}

// TestTenAtOnce removes ten images that share layers, each by a process of its
// own, every other one by podman.
func TestTenAtOnce(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		s := newSite(t, *driver)
		scene := []string{"build base tag=base:1"}
		for i := range 10 {
			scene = append(scene, fmt.Sprintf("build app%d from=base tag=app:%d", i, i))
		}
		s.stage(scene)
		var work sync.WaitGroup
		for i := range 10 {
			remove := s.jettison
			if mixed && i%2 == 1 {
				remove = s.podman
			}
			work.Go(func() { s.succeeds(remove("rmi", fmt.Sprintf("localhost/app:%d", i))) })
		}
		work.Wait()
		s.wantTags("localhost/base:1")
		s.ok(s.jettison("rmi", "base:1"))
		s.wantTags()
	}
}
