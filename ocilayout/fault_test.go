package ocilayout_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// A faultCase is a change that may go wrong at any step.
type faultCase struct {
	name string
	do   func(context.Context, *ocilayout.Layout) error
}

func faultCases() []faultCase {
	service := func(do func(context.Context, *jettison.Service) error) func(context.Context, *ocilayout.Layout) error {
		return func(ctx context.Context, l *ocilayout.Layout) error { return do(ctx, jettison.New(l, nil)) }
	}
	return []faultCase{
		{"delete", service(func(ctx context.Context, s *jettison.Service) error {
			_, err := s.ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{})
			return err
		})},
		{"delete by ID", service(func(ctx context.Context, s *jettison.Service) error {
			_, err := s.ImageDelete(ctx, faultImage(3).ID().String(), jettison.RemoveOptions{Force: true})
			return err
		})},
		{"prune", service(func(ctx context.Context, s *jettison.Service) error {
			_, err := s.ImagesPrune(ctx, jettison.PruneOptions{All: true})
			return err
		})},
		{"tag", func(ctx context.Context, l *ocilayout.Layout) error {
			return l.Edit(ctx, func(tx *ocilayout.Tx) error {
				return tx.Name(ctx, faultImage(1).ID(), tagged("new:1"), refstore.AddOptions{})
			})
		}},
		{"platform", func(ctx context.Context, l *ocilayout.Layout) error {
			return l.Update(ctx, func(stores jettison.Stores) error { return removeFirstPlatform(ctx, stores) })
		}},
	}
}

func faultImage(n int) storetest.Image {
	return storetest.Spec{Name: fmt.Sprint("image ", n), Layers: []string{"base", fmt.Sprint("layer ", n)}}.Image()
}

// faultLayout has images that share a layer, one of them an index.
func faultLayout(t testing.TB) string {
	return newLayout(t, func(dir string) []ocispec.Descriptor {
		list := []ocispec.Descriptor{
			named(putImage(t, dir, faultImage(1)), "app:1.0"),
			named(putImage(t, dir, faultImage(2)), "web:1.0"),
			putImage(t, dir, faultImage(3)),
		}
		one, two := putImage(t, dir, faultImage(4)), putImage(t, dir, faultImage(5))
		two.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
		return append(list, named(putIndex(t, dir, one, two), "multi:1.0"))
	})
}

// Every step of a change goes wrong once, in every way. After it index.json is
// the old one or the new one, no image lacks a blob, a change that reports an
// error has not happened (but for a last sync that fails), and what lies about
// is no more than blobs and files that Repair removes.
func TestFaults(t *testing.T) {
	points := 0
	for _, c := range faultCases() {
		dir := faultLayout(t)
		before := read(t, dir, "index.json")
		if err := c.do(t.Context(), open(t, dir)); err != nil {
			t.Fatalf("%s without a fault: %v", c.name, err)
		}
		after := read(t, dir, "index.json")
		if after == before {
			t.Fatalf("%s changes nothing", c.name)
		}
		for _, kind := range []faultfs.Kind{faultfs.Fail, faultfs.Short, faultfs.Late, faultfs.Stop} {
			for n := 1; ; n++ {
				f := &faulty{t: t, name: fmt.Sprintf("%s, %s at step %d", c.name, kind, n), before: before, after: after}
				if f.run(c, n, kind) {
					break // there is no such step
				}
				points++
			}
		}
	}
	t.Logf("%d points", points)
	if points < 100 {
		t.Errorf("only %d points", points)
	}
}

// faulty is one change with one fault.
type faulty struct {
	t             *testing.T
	name          string
	before, after string // index.json
}

// run reports whether the change ended without the fault.
func (f *faulty) run(c faultCase, n int, kind faultfs.Kind) bool {
	t := f.t
	t.Helper()
	dir := faultLayout(t)
	plan, count := faultfs.At(n, faultfs.Fault{Kind: kind})
	var last faultfs.Step
	fs := faultfs.New(vfs.OS{}, func(s faultfs.Step) faultfs.Fault {
		fault := plan(s)
		if fault.Kind != faultfs.None {
			last = s
		}
		return fault
	})
	l, err := ocilayout.OpenOn(t.Context(), dir, nil, fs)
	if err != nil {
		t.Fatal(err)
	}
	failed := c.do(t.Context(), l)
	if count() < n {
		return true
	}
	f.check(dir, failed, last, kind)
	return false
}

func (f *faulty) check(dir string, failed error, at faultfs.Step, kind faultfs.Kind) {
	t := f.t
	t.Helper()
	index := read(t, dir, "index.json")
	switch {
	case index != f.before && index != f.after:
		t.Errorf("%s: index.json is neither the old nor the new one:\n%s", f.name, index)
	case failed == nil && index != f.after:
		t.Errorf("%s: it has not happened, and there was no error", f.name)
	case failed != nil && index == f.after && kind != faultfs.Late && at.Op != faultfs.SyncDir:
		t.Errorf("%s: it has happened, and yet: %v", f.name, failed)
	}
	l := open(t, dir)
	if _, damage := list(t, l); len(damage) > 0 {
		t.Errorf("%s: damaged: %v", f.name, damage)
	}
	repair(t, l)
	if stray := strays(t, dir); len(stray) > 0 {
		t.Errorf("%s: left after a repair: %q", f.name, stray)
	}
}

// strays are the files that no image needs.
func strays(t testing.TB, dir string) []string {
	t.Helper()
	needed := []string{"index.json", "oci-layout"}
	err := open(t, dir).View(t.Context(), func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			for _, c := range contentOf(t, stores, img) {
				needed = append(needed, "blobs/sha256/"+c.Encoded())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files(t, dir), func(name string) bool {
		return slices.Contains(needed, name) || strings.HasSuffix(name, "/")
	})
}
