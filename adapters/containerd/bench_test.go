package containerd_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
)

// BenchmarkContainerd works on many images in this process and, with the tag
// interop, in a daemon: plans a prune of all of them, removes one by its name, and
// removes all by their names. The times reported are those of this project, and
// beside them those of Docker's way, which asks one list per question, and of ctr,
// a process each time. In all there is a daemon that waits until garbage is
// collected. The times of "all" are for one image.
func BenchmarkContainerd(b *testing.B) {
	sizes := []int{1000, 10000}
	if testing.Short() {
		sizes = []int{30}
	}
	for _, p := range places() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/images=%d", p.name, n), func(b *testing.B) {
				s := p.open(b, n)
				b.Run("plan", s.plan)
				b.Run("one", s.one)
				b.Run("all", s.all)
			})
		}
	}
}

// A place is where containerd's stores can be.
type place struct {
	name string
	open func(b *testing.B, images int) *benchStore
}

// A benchStore is a store with images app:0 to app:n-1.
type benchStore struct {
	images   int
	services containerd.Services
	// reset puts all images back.
	reset func(testing.TB)
	// ctr runs ctr on the store; nil where it cannot.
	ctr func(args ...string) error
	// next is the first image that is still there.
	next int
}

const benchNamespace = "bench"

// inProcess is the place that needs no daemon.
func inProcess() place {
	return place{"process", func(b *testing.B, images int) *benchStore {
		whole := b.TempDir()
		s := &benchStore{images: images, services: fixture.OpenIn(b, whole).Services}
		s.fill(b)
		copies := b.TempDir()
		n := 0
		s.reset = func(tb testing.TB) {
			n++
			dir := filepath.Join(copies, fmt.Sprint(n))
			copyTree(tb, whole, dir)
			s.services = fixture.OpenIn(b, dir).Services
		}
		s.reset(b) // the one that is whole stays so
		return s
	}}
}

func copyTree(tb testing.TB, from, to string) {
	tb.Helper()
	if out, err := exec.CommandContext(context.Background(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		tb.Fatalf("copy: %v: %s", err, out)
	}
}

func (s *benchStore) fill(b *testing.B) {
	b.Helper()
	f := filler{s.services, fixture.Snapshotter}
	must(b, f.fill(s.context(b), s.images))
}

func (s *benchStore) context(tb testing.TB) context.Context {
	return namespaces.WithNamespace(tb.Context(), benchNamespace)
}

// service is one over a backend that has seen nothing yet.
func (s *benchStore) service(tb testing.TB) *jettison.Service {
	tb.Helper()
	backend, err := containerd.New(s.services, &containerd.Options{Namespace: benchNamespace})
	must(tb, err)
	return jettison.New(backend, nil)
}

// A contest has the times of each tool, for one image each.
type contest map[string][]time.Duration

// time takes the time of fn, which is about so many images.
func (c contest) time(tb testing.TB, tool string, images int, fn func() error) {
	tb.Helper()
	began := time.Now()
	err := fn()
	c[tool] = append(c[tool], time.Since(began)/time.Duration(images))
	must(tb, err)
}

// report reports medians, and how they compare with this project's.
func (c contest) report(b *testing.B) {
	b.Helper()
	ours := middle(c["jettison"])
	b.ReportMetric(ours, "jettison-µs")
	for _, tool := range []string{"docker", "ctr"} {
		if len(c[tool]) > 0 {
			b.ReportMetric(middle(c[tool]), tool+"-µs")
			b.ReportMetric(middle(c[tool])/ours, tool+"/jettison")
		}
	}
}

// middle is the median in microseconds.
func middle(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)/2].Nanoseconds()) / 1000
}

// plan plans a prune of all images; Docker's has no dry run, so its part is what
// it reads before it removes anything.
func (s *benchStore) plan(b *testing.B) {
	c := make(contest)
	for b.Loop() {
		c.time(b, "jettison", 1, func() error {
			plan, err := s.service(b).PlanPrune(b.Context(), jettison.PruneOptions{All: true})
			if err == nil && len(plan.Removals) != s.images {
				err = fmt.Errorf("the plan has %d removals, want %d", len(plan.Removals), s.images)
			}
			return err
		})
		c.time(b, "docker", 1, func() error { return questioner{s.services}.look(s.context(b)) })
	}
	c.report(b)
}

// one removes images one by one, by name, each tool another one.
func (s *benchStore) one(b *testing.B) {
	const each = 5 // of a round
	c := make(contest)
	for b.Loop() {
		if s.next+3*each > s.images {
			s.reset(b)
			s.next = 0
		}
		for range each {
			c.time(b, "jettison", 1, func() error { return s.remove(b, s.take(1)...) })
			c.time(b, "docker", 1, func() error { return questioner{s.services}.remove(s.context(b), s.take(1)[0]) })
			if s.ctr != nil {
				c.time(b, "ctr", 1, func() error { return s.ctr("images", "rm", "--sync", s.take(1)[0]) })
			}
		}
	}
	c.report(b)
}

// take returns the names of the next images.
func (s *benchStore) take(n int) []string {
	var names []string
	for i := range n {
		names = append(names, benchName(s.next+i))
	}
	s.next += n
	return names
}

// remove removes images by their names in one call.
func (s *benchStore) remove(b *testing.B, names ...string) error {
	b.Helper()
	reports, err := s.service(b).ImagesDelete(b.Context(), names, jettison.RemoveOptions{PruneChildren: true})
	for _, report := range reports {
		if report.Err != nil || !slices.ContainsFunc(report.Records, func(r jettison.DeleteResponse) bool { return r.Deleted != "" }) {
			return fmt.Errorf("%s: %v, %w", report.Reference, report.Records, report.Err)
		}
	}
	return err
}

// all removes all images. Docker's way takes time that grows with the square of
// their number, so it removes the first few.
func (s *benchStore) all(b *testing.B) {
	const few = 20
	c := make(contest)
	for b.Loop() {
		s.whole(b)
		c.time(b, "docker", few, func() error {
			for _, name := range s.take(few) {
				if err := (questioner{s.services}).remove(s.context(b), name); err != nil {
					return err
				}
			}
			return nil
		})
		if s.ctr != nil {
			s.whole(b)
			names := s.take(s.images)
			c.time(b, "ctr", s.images, func() error { return s.ctr(append([]string{"images", "rm", "--sync"}, names...)...) })
		}
		s.whole(b)
		names := s.take(s.images)
		c.time(b, "jettison", s.images, func() error { return s.remove(b, names...) })
	}
	c.report(b)
}

// whole puts all images back.
func (s *benchStore) whole(tb testing.TB) {
	tb.Helper()
	s.reset(tb)
	s.next = 0
}
