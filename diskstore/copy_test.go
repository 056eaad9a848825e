package diskstore_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

// random returns n bytes that do not repeat.
func random(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	return data
}

// Content of any size arrives as it is, however its reader hands it out.
func TestWriteCopiesEveryByte(t *testing.T) {
	const small, block = diskstore.SmallSize, diskstore.BlockSize
	readers := map[string]func(io.Reader) io.Reader{
		"whole":           func(r io.Reader) io.Reader { return r },
		"halves":          iotest.HalfReader,
		"end with data":   iotest.DataErrReader,
		"halves and data": func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.HalfReader(r)) },
	}
	s := open(t, t.TempDir())
	for _, size := range []int{0, 1, small - 1, small, small + 1, small + block - 1, small + block, small + 9*block + 1} {
		for name, read := range readers {
			t.Run(fmt.Sprintf("%d bytes, %s", size, name), func(t *testing.T) {
				in, err := s.Ingest(t.Context())
				must(t, err)
				defer in.Close() //nolint:errcheck // never fails
				data := random(size)
				got, err := in.Write(t.Context(), read(bytes.NewReader(data)), ocispec.Descriptor{})
				must(t, err)
				if want := digest.FromBytes(data); got.Digest != want || got.Size != int64(size) {
					t.Errorf("Write = %s, %d bytes, want %s, %d bytes", got.Digest, got.Size, want, size)
				}
				written := readOnly(t, filepath.Join(s.Dir(), "ingest"))
				if !bytes.Equal(written, data) {
					t.Errorf("%d bytes were written that differ from the %d read", len(written), size)
				}
			})
		}
	}
}

// readOnly returns the content of the only file in a directory.
func readOnly(t *testing.T, dir string) []byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("%d files in %s, want one", len(entries), dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	must(t, err)
	return data
}

// A large copy ends with the first error of either side, and leaves nothing.
func TestWriteOfLargeContentStops(t *testing.T) {
	const size = diskstore.SmallSize + 20*diskstore.BlockSize
	for _, after := range []int{0, 1, 2, 10} { // writes that succeed
		t.Run(fmt.Sprintf("disk full after %d writes", after), func(t *testing.T) {
			left, full := after, errors.New("no space left")
			s, err := openStepping(t.Context(), t.TempDir(), nil, func(step, _ string) error {
				if step != "write" {
					return nil
				}
				if left--; left < 0 {
					return full
				}
				return nil
			})
			must(t, err)
			defer s.Close() //nolint:errcheck // the test is about another error
			in, err := s.Ingest(t.Context())
			must(t, err)
			_, err = in.Write(t.Context(), bytes.NewReader(random(size)), ocispec.Descriptor{})
			wants(t, err, jettison.ErrUnavailable, full.Error())
			if files := onDisk(t, s.Dir()); len(files) > 0 {
				t.Errorf("files %v are left", files)
			}
		})
	}
	for _, read := range []int{0, 100, diskstore.SmallSize, size} {
		t.Run(fmt.Sprintf("reader fails after %d bytes", read), func(t *testing.T) {
			s := open(t, t.TempDir())
			in, err := s.Ingest(t.Context())
			must(t, err)
			r := io.MultiReader(bytes.NewReader(random(read)), iotest.ErrReader(io.ErrUnexpectedEOF))
			_, err = in.Write(t.Context(), r, ocispec.Descriptor{})
			wants(t, err, jettison.ErrUnavailable, io.ErrUnexpectedEOF.Error())
			if files := onDisk(t, s.Dir()); len(files) > 0 {
				t.Errorf("files %v are left", files)
			}
		})
	}
}
