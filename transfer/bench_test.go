package transfer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// BenchmarkLoad loads an image of one layer, which is not compressed, into an
// empty store: verified and durable. Beside it stands, in every round and on the
// bytes of the layer, what the system has for the same work: the commands
// sha256sum, cp, and sync of the copy. And there is the time of Go's SHA-256
// alone, a limit. The file system has the source in memory. With -short there is
// no layer of 1 GiB.
//
// What it reports are medians, in 10^6 bytes a second, and as jettison/commands
// how many times faster the load is than the commands.
func BenchmarkLoad(b *testing.B) {
	for _, kind := range []struct {
		name string
		pack func(bigLayer, *testing.B) string
	}{{"layout", bigLayer.layout}, {"docker-archive", bigLayer.dockerArchive}} {
		for _, mib := range []int64{16, 1024} {
			if testing.Short() && mib > 16 {
				continue
			}
			b.Run(fmt.Sprintf("%s/MiB=%d", kind.name, mib), func(b *testing.B) {
				layer := newBigLayer(b, mib<<20)
				benchLoad(b, layer, kind.pack(layer, b))
			})
		}
	}
}

func benchLoad(b *testing.B, layer bigLayer, source string) {
	b.Helper()
	ctx := b.Context()
	copied := filepath.Join(b.TempDir(), "copied")
	var ours, commands, hash []time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), "store")
		store, err := diskstore.Open(ctx, dir, nil)
		mustBench(b, err)
		b.StartTimer()
		ours = append(ours, timed(b, func() error {
			_, err := transfer.Load(ctx, store, source, transfer.LoadOptions{})
			return err
		}))
		b.StopTimer()
		mustBench(b, store.Close())
		mustBench(b, os.RemoveAll(dir))
		commands = append(commands, timed(b, func() error { return run(ctx, layer.path, copied) }))
		mustBench(b, os.Remove(copied))
		hash = append(hash, timed(b, layer.hash))
		b.StartTimer()
	}
	b.StopTimer()
	for unit, times := range map[string][]time.Duration{"jettison": ours, "commands": commands, "sha256": hash} {
		b.ReportMetric(float64(layer.desc.Size)/median(times)/1e6, unit+"-MB/s")
	}
	b.ReportMetric(median(commands)/median(ours), "jettison/commands")
	b.ReportAllocs()
}

// run does with commands what a load does.
func run(ctx context.Context, from, to string) error {
	for _, args := range [][]string{{"sha256sum", from}, {"cp", from, to}, {"sync", to}} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the test's own files
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w: %s", args, err, out)
		}
	}
	return nil
}

// A bigLayer is a file of random bytes.
type bigLayer struct {
	path string
	desc ocispec.Descriptor
}

func newBigLayer(b *testing.B, size int64) bigLayer {
	b.Helper()
	l := bigLayer{path: filepath.Join(b.TempDir(), "layer"), desc: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Size: size}}
	file, err := os.Create(l.path)
	mustBench(b, err)
	digester := digest.Canonical.Digester()
	_, err = io.CopyN(io.MultiWriter(file, digester.Hash()), rand.NewChaCha8([32]byte{}), size)
	mustBench(b, err)
	mustBench(b, file.Sync())
	mustBench(b, file.Close())
	l.desc.Digest = digester.Digest()
	return l
}

// hash hashes the layer with nothing else.
func (l bigLayer) hash() error {
	file, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	_, err = io.CopyBuffer(struct{ io.Writer }{sha256.New()}, struct{ io.Reader }{file}, make([]byte, 1<<20))
	return err
}

// layout is an OCI image layout with the layer.
func (l bigLayer) layout(b *testing.B) string {
	b.Helper()
	made := newLayout(b)
	made.list(made.imageOf(configOf(ocispec.Platform{OS: "linux", Architecture: "amd64"}, l.desc.Digest), l.desc), "big")
	dir := writeDir(b, made.files())
	mustBench(b, os.Link(l.path, filepath.Join(dir, ocispec.ImageBlobsDir, "sha256", l.desc.Digest.Encoded())))
	return dir
}

// dockerArchive is a docker-archive with the layer.
func (l bigLayer) dockerArchive(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "big.tar")
	archive, err := os.Create(path)
	mustBench(b, err)
	w := tar.NewWriter(archive)
	add := func(name string, size int64, content io.Reader) {
		mustBench(b, w.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}))
		_, err := io.Copy(w, content)
		mustBench(b, err)
	}
	config := toJSON(b, configOf(ocispec.Platform{OS: "linux", Architecture: "amd64"}, l.desc.Digest))
	manifest := toJSON(b, []map[string]any{{"Config": "config.json", "RepoTags": []string{"big:1"}, "Layers": []string{"layer.tar"}}})
	add("config.json", int64(len(config)), bytes.NewReader(config))
	add("manifest.json", int64(len(manifest)), bytes.NewReader(manifest))
	layer, err := os.Open(l.path)
	mustBench(b, err)
	add("layer.tar", l.desc.Size, layer)
	mustBench(b, layer.Close())
	mustBench(b, w.Close())
	mustBench(b, archive.Sync())
	mustBench(b, archive.Close())
	return path
}

func mustBench(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func timed(b *testing.B, run func() error) time.Duration {
	b.Helper()
	start := time.Now()
	err := run()
	taken := time.Since(start)
	mustBench(b, err)
	return taken
}

// median returns the median of times, in seconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}
