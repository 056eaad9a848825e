package diskstore_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// fill makes a store of n tagged images without waiting for the disk, each
// with a layer of its own of 4 KiB above a common base.
func fill(b *testing.B, dir string, n int) {
	b.Helper()
	s, err := diskstore.Open(b.Context(), dir, nil)
	must(b, err)
	must(b, s.Edit(b.Context(), func(tx *kvstore.Tx) error {
		for i := range n {
			name := fmt.Sprintf("app:%d", i)
			layers := []string{"base", strings.Repeat(fmt.Sprintf("%08d", i), 512)}
			spec := imagestore.Spec{Config: []byte(config(name, layers))}
			for _, content := range append([]string{string(spec.Config)}, layers...) {
				put(b, dir, content)
				spec.Layers = append(spec.Layers, describe(content))
			}
			spec.Content, spec.Layers = spec.Layers[:1], spec.Layers[1:]
			image, err := tx.Images.Create(b.Context(), spec)
			if err != nil {
				return err
			}
			if err := tx.Tag(b.Context(), image.ID, parse(b, name), refstore.AddOptions{}); err != nil {
				return err
			}
		}
		return nil
	}))
	must(b, s.Close())
}

// put writes a file of content.
func put(b *testing.B, dir, content string) {
	b.Helper()
	path := filepath.Join(dir, "blobs", "sha256", digest.FromString(content).Encoded())
	must(b, os.WriteFile(path, []byte(content), 0o600))
}

// BenchmarkPrune prunes a store of 3,000 images with their 6,001 files, beside
// the removal of the same files alone. Which goes first is a matter of the
// option; closing the store ends both.
func BenchmarkPrune(b *testing.B) {
	template := filepath.Join(b.TempDir(), "template")
	fill(b, template, 3000)
	b.Run("os.Remove", func(b *testing.B) {
		onCopies(b, template, func(dir string) []time.Duration {
			names := slices.Sorted(maps.Keys(onDisk(b, dir)))
			start := time.Now()
			for _, name := range names {
				must(b, os.Remove(filepath.Join(dir, name)))
			}
			return []time.Duration{time.Since(start)}
		})
	})
	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		b.Run(name, func(b *testing.B) {
			onCopies(b, template, func(dir string) []time.Duration {
				s, err := diskstore.Open(b.Context(), dir, &diskstore.Options{BackgroundRemoval: background})
				must(b, err)
				start := time.Now()
				_, err = jettison.New(s, nil).ImagesPrune(b.Context(), jettison.PruneOptions{All: true})
				must(b, err)
				pruned := time.Since(start)
				must(b, s.Close())
				return []time.Duration{pruned, time.Since(start)}
			})
		})
	}
}

// onCopies runs fn on copies of a store. It reports the first of the times that
// fn took as the one until the call returned, and the last as that until all
// was done.
func onCopies(b *testing.B, template string, fn func(dir string) []time.Duration) {
	b.Helper()
	var returned, done time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), "store")
		copyDir(b, template, dir)
		must(b, exec.CommandContext(b.Context(), "sync").Run()) // else whoever syncs first writes the copy
		b.StartTimer()
		times := fn(dir)
		b.StopTimer()
		returned, done = returned+times[0], done+times[len(times)-1]
		must(b, os.RemoveAll(dir))
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op") // has the clean-up of the copies in it
	b.ReportMetric(returned.Seconds()*1000/float64(b.N), "returned-ms")
	b.ReportMetric(done.Seconds()*1000/float64(b.N), "done-ms")
}

// BenchmarkUpdate changes one record of a store with many images and with marks
// of garbage: what removal costs whoever removes nothing.
func BenchmarkUpdate(b *testing.B) {
	for _, images := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("images=%d", images), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "store")
			fill(b, dir, images)
			s, err := diskstore.Open(b.Context(), dir, nil)
			must(b, err)
			defer s.Close() //nolint:errcheck // a benchmark
			b.ReportAllocs()
			for b.Loop() {
				must(b, s.Edit(b.Context(), nothing))
			}
		})
	}
}
