//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// BenchmarkPodman removes images from a store of Podman's: one by its tag, ten in
// one call, and all that nothing uses. It begins with a fresh copy whenever a tenth
// of the images has gone. The time reported is that of the command as a process;
// besides there are those of podman and of the library in this process, and what
// each process asks of the disk, counted by strace in a run of its own, but for the
// largest prune, which takes minutes: what it asks for each image does not change.
func BenchmarkPodman(b *testing.B) {
	sizes := []int{100, 1000}
	if testing.Short() {
		sizes = []int{10}
	}
	for _, task := range []task{{"one", 1}, {"ten", 10}, {"prune", 0}} {
		for _, images := range sizes {
			b.Run(fmt.Sprintf("%s/images=%d", task.name, images), func(b *testing.B) {
				s := newSite(b, "vfs")
				s.makeMany(images)
				s.must("ps") // makes what Podman wants beside them
				s.save(manyImages())
				(&bench{site: s, task: task, images: images, took: map[string][]time.Duration{}}).run(b)
			})
		}
	}
}

// manyImages is the scene of the benchmarks.
func manyImages() []string { return []string{"many images"} }

// A task is what is measured: how many images are removed at once. None stands for
// a prune.
type task struct {
	name   string
	images int
}

// A bench carries out a task by one means and the other.
type bench struct {
	*site
	task
	images, gone int
	took         map[string][]time.Duration
}

func (n *bench) run(b *testing.B) {
	b.Helper()
	for b.Loop() {
		n.measure("library", n.library)
		n.measure("jettison", n.byJettison)
		n.measure("podman", n.byPodman)
	}
	if n.task.images > 0 || n.images <= 100 {
		n.countCalls(b, "jettison", n.byJettison)
		n.countCalls(b, "podman", n.byPodman)
	}
	b.ReportMetric(0, "ns/op")
	for name, all := range n.took {
		b.ReportMetric(micros(median(all)), name+"-µs")
	}
	b.ReportMetric(micros(median(n.took["podman"]))/micros(median(n.took["jettison"])), "podman/jettison")
}

// measure notes how long something takes.
func (n *bench) measure(name string, do func(refs []string)) {
	n.t.Helper()
	refs := n.next()
	start := time.Now()
	do(refs)
	n.took[name] = append(n.took[name], time.Since(start))
}

// next names the images that go next, in a store that has nearly all of them.
func (n *bench) next() []string {
	n.t.Helper()
	if n.gone == 0 || n.gone+n.task.images > n.images/10 {
		n.restore(manyImages())
		n.gone = 0
	}
	n.gone += n.task.images
	refs := make([]string, n.task.images)
	for i := range refs {
		refs[i] = fmt.Sprintf("localhost/app:%d", n.gone-1-i)
	}
	return refs
}

func (n *bench) byJettison(refs []string) {
	n.t.Helper()
	if len(refs) == 0 {
		n.ok(n.jettison("prune", "-a", "--force"))
		return
	}
	n.ok(n.jettison(append([]string{"rmi"}, refs...)...))
}

func (n *bench) byPodman(refs []string) {
	n.t.Helper()
	if len(refs) == 0 {
		n.must("image", "prune", "-a", "-f")
		return
	}
	n.must(append([]string{"rmi"}, refs...)...)
}

// library makes the call in this process, on a store that it opens and closes.
func (n *bench) library(refs []string) {
	n.t.Helper()
	store, err := podman.Open(n.t.Context(), &podman.Options{GraphRoot: n.path("now/root"), RunRoot: n.path("now/run"), Driver: n.driver})
	if err != nil {
		n.t.Fatal(err)
	}
	err = errors.Join(remove(n.t.Context(), jettison.New(store, nil), refs), store.Close())
	if err != nil {
		n.t.Fatal(err)
	}
}

func remove(ctx context.Context, service *jettison.Service, refs []string) error {
	if len(refs) == 0 {
		_, err := service.ImagesPrune(ctx, jettison.PruneOptions{All: true})
		return err
	}
	reports, err := service.ImagesDelete(ctx, refs, jettison.RemoveOptions{PruneChildren: true})
	for _, report := range reports {
		err = errors.Join(err, report.Err)
	}
	return err
}

// countCalls reports what a program asks of the disk: how often to wait for it, and
// to put a new file in the place of one with records.
func (n *bench) countCalls(b *testing.B, name string, do func(refs []string)) {
	b.Helper()
	trace := n.path("trace")
	n.through = []string{"strace", "-f", "-qq", "--seccomp-bpf", "-o", trace, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"}
	do(n.next())
	n.through = nil
	data, err := os.ReadFile(trace)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(bytes.Count(data, []byte("sync("))), name+"-syncs")
	b.ReportMetric(float64(bytes.Count(data, []byte(`.json"`))), name+"-rewrites")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
