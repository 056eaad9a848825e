package compare_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/filter"
)

// The benchmarks run, one after the other and on the same images: this
// project's engine over a file of bbolt, whose time is the one reported; a
// transaction of bbolt alone that makes the same changes; and Docker's own
// code over its own files. Layers have no bytes on any side. What they report
// besides are the medians, and two ratios of medians:
//
//	jettison/bbolt   the time of this engine by that of bbolt alone
//	docker/jettison  the time of Docker by that of this engine

// BenchmarkPrune prunes a store of tagged images that nothing uses, all at
// once. Docker prunes it once.
func BenchmarkPrune(b *testing.B) {
	for _, n := range sizes(100, 1000, 3000) {
		b.Run(fmt.Sprintf("images=%d", n), func(b *testing.B) {
			scene := taggedImages(n, 1)
			ours := newFile(b, scene)
			prune := func(s *jettison.Service) error {
				report, err := s.ImagesPrune(b.Context(), jettison.PruneOptions{All: true})
				if err == nil && len(report.ImagesDeleted) < 3*n {
					b.Fatalf("%d records for %d images", len(report.ImagesDeleted), n)
				}
				return err
			}
			bare := sweep(ours.record(b, prune))
			r := race{runs: 1}
			for b.Loop() {
				r.lap(b, ours.open(b, prune), ours.alone(b, bare), func() entry {
					docker := dockerOn(b, scene)
					return entry{close: docker.Close, run: func() error {
						report, err := docker.Service.ImagesPrune(b.Context(), compare.DockerFilters(filter.Args{filter.Dangling: {"false"}}))
						if err == nil && len(report.ImagesDeleted) < 3*n {
							b.Fatalf("Docker: %d records for %d images", len(report.ImagesDeleted), n)
						}
						return err
					}}
				})
			}
			r.report(b, n)
		})
	}
}

// dockerOn is Docker's service with the scene in files, which are on the disk.
func dockerOn(b *testing.B, scene compare.Scene) *compare.Docker {
	b.Helper()
	docker := compare.NewDocker()
	docker.Parent = filepath.Clean(b.TempDir())
	if err := docker.Build(b.Context(), scene); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.CommandContext(b.Context(), "sync", "-f", docker.Parent).CombinedOutput(); err != nil {
		b.Fatalf("sync: %v: %s", err, out)
	}
	return docker
}

// An entry is what one of the three runs, and what it frees afterwards.
type entry struct{ run, close func() error }

// A race has the times of the three.
type race struct {
	runs                int // of Docker
	ours, bbolt, docker []time.Duration
}

// lap runs each of them once, and Docker not more often than it has runs. The
// timer of b runs for ours only.
func (r *race) lap(b *testing.B, ours, bbolt entry, docker func() entry) {
	b.Helper()
	timed := entry{close: ours.close, run: func() error {
		b.StartTimer()
		defer b.StopTimer()
		return ours.run()
	}}
	r.ours = append(r.ours, r.time(b, timed))
	r.bbolt = append(r.bbolt, r.time(b, bbolt))
	if len(r.docker) < r.runs {
		r.docker = append(r.docker, r.time(b, docker()))
	}
	b.StartTimer()
}

func (*race) time(b *testing.B, e entry) time.Duration {
	b.Helper()
	start := time.Now()
	err := e.run()
	taken := time.Since(start)
	if err = errors.WithMessage(err, "run"); err == nil {
		err = e.close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return taken
}

// report reports the medians for each of n things, and their ratios.
func (r *race) report(b *testing.B, n int) {
	b.Helper()
	ours, bbolt, docker := median(r.ours), median(r.bbolt), median(r.docker)
	for unit, each := range map[string]float64{"jettison": ours, "bbolt": bbolt, "docker": docker} {
		b.ReportMetric(each/float64(n)/1000, unit+"-µs")
	}
	b.ReportMetric(ours/bbolt, "jettison/bbolt")
	b.ReportMetric(docker/ours, "docker/jettison")
	b.ReportAllocs()
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2])
}
