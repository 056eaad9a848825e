package transfer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// zeros is a layer so big that it shows when it is held in memory.
const zeros = 256 << 20

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// writeBig writes a docker-archive with one layer of zeros, which is the tar
// archive of nothing. As a file it takes no room on the disk.
func writeBig(t *testing.T) string {
	t.Helper()
	hash := sha256.New()
	if _, err := io.CopyN(hash, zero{}, zeros); err != nil {
		t.Fatal(err)
	}
	config := toJSON(t, configOf(linux("amd64"), digest.NewDigest(digest.SHA256, hash)))
	path := filepath.Join(t.TempDir(), "big.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // Truncate has told
	w := tar.NewWriter(f)
	for _, small := range []file{
		{name: "config.json", body: config},
		{name: "manifest.json", body: []byte(`[{"Config":"config.json","RepoTags":["big:1"],"Layers":["layer.tar"]}]`)},
	} {
		if err := w.WriteHeader(&tar.Header{Name: small.name, Size: int64(len(small.body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(small.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "layer.tar", Size: zeros}); err != nil {
		t.Fatal(err)
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = f.Truncate(at + zeros + 1024) // the layer and the end of the archive
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// compressTo writes the file at path, compressed, to a new file.
func compressTo(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.Create(path + ".zst")
	if err != nil {
		t.Fatal(err)
	}
	w, err := zstd.NewWriter(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

// A layer of any size takes little memory: all that a load allocates, be it
// freed again, is a small part of the layer.
func TestLoadMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 256 MiB")
	}
	plain := writeBig(t)
	for name, path := range map[string]string{"plain": plain, "zstd": compressTo(t, plain)} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			report := load(t, store, path, transfer.LoadOptions{})
			runtime.ReadMemStats(&after)
			const limit = 32 << 20
			if n := after.TotalAlloc - before.TotalAlloc; n > limit {
				t.Errorf("allocated %d bytes in all for a layer of %d, want at most %d", n, zeros, limit)
			}
			if got := fmt.Sprint(describe(report)); got != "[big:1]" {
				t.Errorf("images = %s", got)
			}
		})
	}
}

// The names of an archive may not fill the memory either.
func TestLoadTooManyEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("makes an archive of 64 MiB of names")
	}
	r, w := io.Pipe()
	go func() {
		z := gzip.NewWriter(w)
		archive := tar.NewWriter(z)
		for i := range 80 {
			name := fmt.Sprintf("%d%s", i, strings.Repeat("x", 900_000))
			if archive.WriteHeader(&tar.Header{Name: name, Format: tar.FormatPAX}) != nil {
				break
			}
		}
		_ = w.CloseWithError(errors.Join(archive.Close(), z.Close()))
	}()
	_, err := transfer.LoadReader(t.Context(), newStore(t), r, transfer.LoadOptions{})
	checkRefusal(t, err, "(stream)", badInput{want: "has too many entries"})
}

// Nor does it take more to save such a layer, compressed in the store or not.
func TestSaveMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 256 MiB")
	}
	plain := newStore(t)
	load(t, plain, writeBig(t), transfer.LoadOptions{})
	zipped := newStore(t)
	load(t, zipped, bigLayout(t), transfer.LoadOptions{})
	for name, store := range map[string]*diskstore.Store{"plain": plain, "zstd": zipped} {
		for _, format := range transfer.Formats() {
			t.Run(name+"/"+string(format), func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				save(t, store, format)
				runtime.ReadMemStats(&after)
				const limit = 32 << 20
				if n := after.TotalAlloc - before.TotalAlloc; n > limit {
					t.Errorf("allocated %d bytes in all for a layer of %d, want at most %d", n, zeros, limit)
				}
			})
		}
	}
}

// bigLayout is a layout with the layer of zeros, compressed.
func bigLayout(t *testing.T) string {
	t.Helper()
	var layer bytes.Buffer
	hash := sha256.New()
	w, err := zstd.NewWriter(&layer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.MultiWriter(hash, w), zero{}, zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := newLayout(t)
	config := configOf(linux("amd64"), digest.NewDigest(digest.SHA256, hash))
	l.list(l.imageOf(config, l.add(ocispec.MediaTypeImageLayerZstd, layer.Bytes())), "big:1")
	return writeDir(t, l.files())
}
