package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jettison-oci/jettison"
)

// Bench measures deletions through a service over the store, which [Config.Open]
// opens and fills outside the time measured:
//
//	plan/images=N           the dry run of one deletion; nothing changes
//	delete/images=N         one deletion by the only tag, of N images on a common
//	                        layer; it should not depend on N
//	references/count=N      one deletion by ID, by force, of an image with N
//	                        references: one transaction, where the store has them
//	containers/elsewhere=N  one deletion, while another image has N containers;
//	                        it should not depend on N
//	delete-all/images=N     one call that deletes N images
//	prune/images=N          one prune of N unused images
//	callers/at-once=N       one deletion by each of N callers at once; where a
//	                        store shares commits, an image takes less time with more
//
// The last three report the time of each image as "ns/image". What the store is
// not able to do, as [Config] says, is left out. With -short, N is at most 100.
//
//	func BenchmarkStore(b *testing.B) { storetest.Bench(b, config) }
func Bench(b *testing.B, cfg Config) {
	b.Helper()
	for _, images := range benchSizes(10, 1000) {
		st := catalogue(images)
		benchRun(b, "plan/images", images, func(b *testing.B) { benchPlan(b, cfg, st) })
		benchRun(b, "delete/images", images, func(b *testing.B) { benchDelete(b, cfg, st) })
		benchRun(b, "delete-all/images", images, func(b *testing.B) { benchDeleteAll(b, cfg, st) })
		benchRun(b, "prune/images", images, func(b *testing.B) { benchPrune(b, cfg, st) })
	}
	for _, count := range benchSizes(1, 10, 200) {
		benchRun(b, "references/count", count, func(b *testing.B) { benchReferences(b, cfg, count) })
	}
	if cfg.Containers {
		for _, count := range benchSizes(10, 1000) {
			benchRun(b, "containers/elsewhere", count, func(b *testing.B) { benchDelete(b, cfg, busyElsewhere(count)) })
		}
	}
	for _, callers := range benchSizes(1, 4, 16, 64) {
		benchRun(b, "callers/at-once", callers, func(b *testing.B) { benchCallers(b, cfg, callers) })
	}
}

// benchSizes are the sizes to go through.
func benchSizes(all ...int) []int {
	var sizes []int
	for _, n := range all {
		if n <= 100 || !testing.Short() {
			sizes = append(sizes, n)
		}
	}
	return sizes
}

func benchRun(b *testing.B, name string, n int, f func(*testing.B)) {
	b.Helper()
	b.Run(fmt.Sprintf("%s=%d", name, n), func(b *testing.B) {
		b.ReportAllocs()
		f(b)
	})
}

// catalogue is n tagged images on one base layer.
func catalogue(n int) State {
	var st State
	for i := range n {
		img := Spec{Name: fmt.Sprintf("entry %d", i), Layers: []string{"os", fmt.Sprintf("entry %d", i)}}.Image()
		st.Images = append(st.Images, img)
		st.References = append(st.References, Reference{Name: fmt.Sprintf("entry:%d", i), Image: img.ID()})
	}
	return st
}

// busyElsewhere is 20 tagged images, and one that nothing deletes with so many
// containers.
func busyElsewhere(count int) State {
	st := catalogue(20)
	busy := Spec{Name: "busy", Layers: []string{"os", "busy"}}.Image()
	st.Images = append(st.Images, busy)
	for i := range count {
		st.Containers = append(st.Containers, jettison.Container{ID: fmt.Sprintf("c%d", i), Image: busy.ID()})
	}
	return st
}

func allNames(st State) []string {
	names := make([]string, 0, len(st.References))
	for _, ref := range st.References {
		names = append(names, ref.Name)
	}
	return names
}

func benchPlan(b *testing.B, cfg Config, st State) {
	service := jettison.New(cfg.Open(b, st), nil)
	names := allNames(st)[:1]
	for b.Loop() {
		if _, err := service.PlanDelete(b.Context(), names, jettison.RemoveOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// benchDelete deletes the images of a store one by one, and opens another when
// it is half empty.
func benchDelete(b *testing.B, cfg Config, st State) {
	var service *jettison.Service
	names := allNames(st)
	next := len(names)
	for b.Loop() {
		if next > len(names)/2 {
			b.StopTimer()
			service, next = jettison.New(cfg.Open(b, st), nil), 0
			b.StartTimer()
		}
		if _, err := service.ImageDelete(b.Context(), names[next], jettison.RemoveOptions{}); err != nil {
			b.Fatal(err)
		}
		next++
	}
}

// benchFresh measures a call on a fresh store each time.
func benchFresh(b *testing.B, cfg Config, st State, call func(context.Context, *jettison.Service) error) {
	for b.Loop() {
		b.StopTimer()
		service := jettison.New(cfg.Open(b, st), nil)
		b.StartTimer()
		if err := call(b.Context(), service); err != nil {
			b.Fatal(err)
		}
	}
}

func benchDeleteAll(b *testing.B, cfg Config, st State) {
	names := allNames(st)
	benchFresh(b, cfg, st, func(ctx context.Context, s *jettison.Service) error {
		_, err := s.ImagesDelete(ctx, names, jettison.RemoveOptions{})
		return err
	})
	perImage(b, len(st.Images))
}

func benchPrune(b *testing.B, cfg Config, st State) {
	benchFresh(b, cfg, st, func(ctx context.Context, s *jettison.Service) error {
		report, err := s.ImagesPrune(ctx, jettison.PruneOptions{All: true})
		if err == nil && len(report.ImagesDeleted) < len(st.Images) {
			err = fmt.Errorf("only %d records for %d images", len(report.ImagesDeleted), len(st.Images))
		}
		return err
	})
	perImage(b, len(st.Images))
}

func perImage(b *testing.B, images int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*images), "ns/image")
}

func benchReferences(b *testing.B, cfg Config, count int) {
	st := catalogue(1)
	id := st.Images[0].ID()
	for i := 1; i < count; i++ {
		st.References = append(st.References, Reference{Name: fmt.Sprintf("other%d:1", i), Image: id})
	}
	benchFresh(b, cfg, st, func(ctx context.Context, s *jettison.Service) error {
		_, err := s.ImageDelete(ctx, id.String(), jettison.RemoveOptions{Force: true})
		return err
	})
}

// benchCallers has callers delete one image each, all at once. Rounds share a
// store until it is empty.
func benchCallers(b *testing.B, cfg Config, callers int) {
	const rounds = 8
	names := allNames(catalogue(rounds * callers))
	var service *jettison.Service
	next := len(names)
	for b.Loop() {
		if next == len(names) {
			b.StopTimer()
			service, next = jettison.New(cfg.Open(b, catalogue(rounds*callers)), nil), 0
			b.StartTimer()
		}
		if err := deleteAtOnce(b.Context(), service, names[next:next+callers]); err != nil {
			b.Fatal(err)
		}
		next += callers
	}
	perImage(b, callers)
}

// deleteAtOnce makes a call for each name, all at once.
func deleteAtOnce(ctx context.Context, service *jettison.Service, names []string) error {
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() { _, errs[i] = service.ImageDelete(ctx, name, jettison.RemoveOptions{}) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
