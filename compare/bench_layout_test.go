package compare_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"oras.land/oras-go/v2/content/oci"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
)

// A layoutTool works on a layout that it has not seen before.
type layoutTool struct {
	name string
	do   func(ctx context.Context, dir string) error
}

// BenchmarkLayout works on an OCI image layout of 1,000 images, opened anew each
// time: removes one image with its blobs, removes all, and collects blobs that
// nothing needs where there are none. The time reported is that of this project;
// besides there are the medians of oras-go in this process, and of umoci, which
// is a process for each image, if it is installed.
func BenchmarkLayout(b *testing.B) {
	images := 1000
	if testing.Short() {
		images = 20
	}
	middle := fmt.Sprintf("app:%d", images/2)
	b.Run(fmt.Sprintf("one/images=%d", images), func(b *testing.B) {
		benchLayout(b, images, []layoutTool{
			{"jettison", jettisonRemoves(middle)},
			{"oras", orasRemoves(middle)},
			{"umoci", umociRemoves(middle)},
		})
	})
	b.Run(fmt.Sprintf("all/images=%d", images), func(b *testing.B) {
		var all []string
		for i := range images {
			all = append(all, fmt.Sprintf("app:%d", i))
		}
		benchLayout(b, images, []layoutTool{{"jettison", jettisonRemoves(all...)}, {"oras", orasRemoves(all...)}})
	})
	b.Run(fmt.Sprintf("collect/images=%d", images), func(b *testing.B) {
		benchLayout(b, images, []layoutTool{
			{"jettison", jettisonCollects},
			{"oras", orasCollects},
			{"umoci", func(ctx context.Context, dir string) error { return umoci(ctx, "gc", "--layout", dir) }},
		})
	})
}

// benchLayout runs each tool on a copy of its own.
func benchLayout(b *testing.B, images int, tools []layoutTool) {
	b.Helper()
	whole := filepath.Join(b.TempDir(), "layout")
	writeLayout(b, whole, images)
	took := make(map[string][]time.Duration)
	for b.Loop() {
		for i, tool := range tools {
			if i > 0 {
				b.StopTimer()
			}
			if d, ok := timeOnCopy(b, whole, tool); ok {
				took[tool.name] = append(took[tool.name], d)
			}
			b.StartTimer()
		}
	}
	ours := median(took[tools[0].name])
	b.ReportMetric(ours/1000, "jettison-µs")
	for _, tool := range tools[1:] {
		if theirs := median(took[tool.name]); theirs > 0 {
			b.ReportMetric(theirs/1000, tool.name+"-µs")
			b.ReportMetric(theirs/ours, tool.name+"/jettison")
		}
	}
}

// timeOnCopy runs a tool on a fresh copy. A tool that is not installed is left
// out.
func timeOnCopy(b *testing.B, whole string, tool layoutTool) (time.Duration, bool) {
	b.Helper()
	if _, err := exec.LookPath("umoci"); tool.name == "umoci" && err != nil {
		return 0, false
	}
	b.StopTimer()
	dir := filepath.Join(b.TempDir(), "copy")
	if out, err := exec.CommandContext(b.Context(), "cp", "-r", whole, dir).CombinedOutput(); err != nil {
		b.Fatalf("copy: %v: %s", err, out)
	}
	start := time.Now()
	b.StartTimer()
	err := tool.do(b.Context(), dir)
	b.StopTimer()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%s: %v", tool.name, err)
	}
	return took, true
}

func jettisonRemoves(names ...string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		layout, err := ocilayout.Open(ctx, dir, nil)
		if err != nil {
			return err
		}
		_, err = jettison.New(layout, nil).ImagesDelete(ctx, names, jettison.RemoveOptions{})
		return err
	}
}

func jettisonCollects(ctx context.Context, dir string) error {
	layout, err := ocilayout.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	_, err = layout.Repair(ctx, ocilayout.RepairOptions{Grace: -1})
	return err
}

// orasRemoves deletes the manifests; the store deletes what they alone needed.
func orasRemoves(names ...string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		store, err := oci.NewWithContext(ctx, dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			desc, err := store.Resolve(ctx, name)
			if err != nil {
				return err
			}
			if err := store.Delete(ctx, desc); err != nil {
				return err
			}
		}
		return nil
	}
}

func orasCollects(ctx context.Context, dir string) error {
	store, err := oci.NewWithContext(ctx, dir)
	if err != nil {
		return err
	}
	return store.GC(ctx)
}

func umociRemoves(name string) func(context.Context, string) error {
	return func(ctx context.Context, dir string) error {
		if err := umoci(ctx, "rm", "--image", dir+":"+name); err != nil {
			return err
		}
		return umoci(ctx, "gc", "--layout", dir)
	}
}

func umoci(ctx context.Context, args ...string) error {
	return exec.CommandContext(ctx, "umoci", args...).Run()
}
