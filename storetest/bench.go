package storetest

import (
	"fmt"
	"testing"

	"github.com/jettison-oci/jettison"
)

// Bench measures deletions through a service on stores of several sizes: by
// tag, by ID with many references, many in one call, and the plan of one. Each
// sub-benchmark opens fresh stores outside the time measured.
func Bench(b *testing.B, cfg Config) {
	b.Helper()
	for _, images := range []int{10, 1000} {
		size := fmt.Sprintf("images=%d", images)
		st := catalogue(images)
		b.Run("plan/"+size, func(b *testing.B) { benchPlan(b, cfg, st) })
		b.Run("delete/"+size, func(b *testing.B) { benchDelete(b, cfg, st) })
		b.Run("delete all/"+size, func(b *testing.B) { benchDeleteAll(b, cfg, st) })
	}
	b.Run("delete/references=200", func(b *testing.B) { benchReferences(b, cfg) })
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
	b.ReportAllocs()
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
	b.ReportAllocs()
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

func benchDeleteAll(b *testing.B, cfg Config, st State) {
	names := allNames(st)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		service := jettison.New(cfg.Open(b, st), nil)
		b.StartTimer()
		if _, err := service.ImagesDelete(b.Context(), names, jettison.RemoveOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(names)), "ns/image")
}

func benchReferences(b *testing.B, cfg Config) {
	st := catalogue(1)
	id := st.Images[0].ID()
	for i := range 200 {
		st.References = append(st.References, Reference{Name: fmt.Sprintf("other%d:1", i), Image: id})
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		service := jettison.New(cfg.Open(b, st), nil)
		b.StartTimer()
		if _, err := service.ImageDelete(b.Context(), id.String(), jettison.RemoveOptions{Force: true}); err != nil {
			b.Fatal(err)
		}
	}
}
