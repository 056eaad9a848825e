package compare_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
)

// together is how many images all callers delete together in one round.
const together = 64

// BenchmarkCallers has several callers delete at once: each its share of 64
// images, one after another, from a store of 1,000. Bbolt alone does it in two
// ways: a transaction for each deletion, and with its own Batch, which waits up
// to 10 ms for company. What it reports are deletions a second, by the median
// of the rounds. Docker does one round.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchCallers(b, callers) })
	}
}

func benchCallers(b *testing.B, callers int) {
	scene := taggedImages(1000, 1)
	s := newSteady(b, scene, byTag(together))
	var ours, single, batch []time.Duration
	bare := func(update func(func(*bolt.Tx) error) error) func(int) error {
		return func(i int) error {
			return update(func(tx *bolt.Tx) error { return apply(s.changes[i].do)(tx.Bucket([]byte("jettison"))) })
		}
	}
	for b.Loop() {
		ours = append(ours, share(b, callers, func(i int) error { return s.deletions[i].jettison(b.Context(), s.service) }))
		b.StopTimer()
		s.takeBack(b, s.changes...)
		single = append(single, share(b, callers, bare(s.bare.Update)))
		s.takeBareBack(b, s.changes...)
		batch = append(batch, share(b, callers, bare(s.bare.Batch)))
		s.takeBareBack(b, s.changes...)
		b.StartTimer()
	}
	b.StopTimer()
	docker := dockerOn(b, scene)
	dockers := share(b, callers, func(i int) error { return s.deletions[i].docker(b.Context(), docker) })
	for unit, times := range map[string][]time.Duration{
		"jettison": ours, "bbolt": single, "bbolt-batch": batch, "docker": {dockers},
	} {
		b.ReportMetric(together/(median(times)/1e9), unit+"-deletes/s")
	}
	b.ReportMetric(median(single)/median(ours), "jettison/bbolt")
	b.ReportMetric(median([]time.Duration{dockers})/median(ours), "jettison/docker")
	b.ReportAllocs()
}

// share has several callers run their shares of the deletions at once, and
// returns the time until the last has ended.
func share(b *testing.B, callers int, run func(i int) error) time.Duration {
	b.Helper()
	var wg sync.WaitGroup
	failed := make(chan error, together)
	start := time.Now()
	for caller := range callers {
		wg.Go(func() {
			for i := caller; i < together; i += callers {
				if err := run(i); err != nil {
					failed <- errors.WithMessagef(err, "deletion %d", i)
				}
			}
		})
	}
	wg.Wait()
	taken := time.Since(start)
	if len(failed) > 0 {
		b.Fatal(<-failed)
	}
	return taken
}
