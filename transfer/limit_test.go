package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/transfer"
)

// How much an archive may unpack to is for the caller to say.
func TestLoadMaxSize(t *testing.T) {
	data := real(t, "docker-archive.tar")
	size := int64(len(data))
	for _, tt := range []struct {
		name    string
		data    []byte
		maxSize int64
		refused bool
	}{
		{"just enough", gzipped(t, data), size, false},
		{"too little", gzipped(t, data), size - 1, true},
		{"too little for zstd", zstandard(t, data), size - 1, true},
		{"too little for a plain one", data, 1000, true},
		{"no limit", gzipped(t, data), -1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, opts := newStore(t), amd64()
			opts.MaxSize = tt.maxSize
			_, err := transfer.LoadReader(t.Context(), store, bytes.NewReader(tt.data), opts)
			if !tt.refused {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkRefusal(t, err, "(stream)", badInput{want: "raise the maximum size"})
			var large *transfer.TooLargeError
			if !errors.As(err, &large) || large.Limit != tt.maxSize || !errors.Is(large, jettison.ErrInvalidArgument) {
				t.Errorf("err = %#v, want a TooLargeError of %d", err, tt.maxSize)
			}
			if rest := dump(t, store); len(rest) > 0 {
				t.Errorf("left behind: %q", rest)
			}
		})
	}
	// A file that need not be unpacked is not held to it.
	opts := amd64()
	opts.MaxSize = 1000
	load(t, newStore(t), writeFile(t, data), opts)
}

func TestLoadMaxSizeByDefault(t *testing.T) {
	for _, tt := range []struct {
		kind      string
		opts      transfer.LoadOptions
		read, max int64
	}{
		{"plain", transfer.LoadOptions{}, 1, math.MaxInt64},
		{"gzip", transfer.LoadOptions{}, 1, transfer.FreeSize},
		{"zstd", transfer.LoadOptions{}, 1 << 30, transfer.MaxRatio << 30},
		{"zstd", transfer.LoadOptions{MaxSize: -1}, 1, math.MaxInt64},
	} {
		if got := tt.opts.MaxUnpacked(tt.kind, tt.read); got != tt.max {
			t.Errorf("%s: got %d, want %d", tt.kind, got, tt.max)
		}
	}
}

// manyConfigs is a docker-archive of n images without layers whose
// configurations have this text besides.
func manyConfigs(t testing.TB, n int, text string) []byte {
	var files []file
	var entries []string
	for i := range n {
		config := fmt.Appendf(nil, `{"author":"%d","rootfs":{"type":"layers"},%s}`, i, text)
		name := digest.FromBytes(config).Encoded() + ".json"
		files = append(files, file{name: name, body: config})
		entries = append(entries, fmt.Sprintf(`{"Config":%q}`, name))
	}
	manifest := "[" + strings.Join(entries, ",") + "]"
	return pack(t, append(files, file{name: "manifest.json", body: []byte(manifest)})...)
}

// Documents are held in memory; a small archive may not fill it with them.
func TestLoadManyDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("makes an archive of 320 MiB")
	}
	big := strings.Repeat(" ", 8<<20-200)
	path := writeFile(t, zstandard(t, manyConfigs(t, 40, big+`"os":"linux"`)))
	checkMemory(t, path, 192<<20) // the limit, and the JSON decoder's
	// Values can take far more than the text that makes them.
	values := strings.Repeat("{},", 2<<20)
	path = writeFile(t, zstandard(t, manyConfigs(t, 1, `"history":[`+values+`{}]`)))
	checkMemory(t, path, 64<<20)
	load(t, newStore(t), writeFile(t, manyConfigs(t, 1000, `"os":"linux"`)), transfer.LoadOptions{})
}

// checkMemory makes sure that an archive is refused before its documents have
// taken more than so many bytes.
func checkMemory(t *testing.T, path string, limit uint64) {
	t.Helper()
	store := newStore(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := transfer.Load(t.Context(), store, path, transfer.LoadOptions{})
	runtime.ReadMemStats(&after)
	checkRefusal(t, err, path, badInput{want: "take more than 67108864 bytes of memory"})
	if n := after.TotalAlloc - before.TotalAlloc; n > limit {
		t.Errorf("allocated %d bytes, want at most %d", n, limit)
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}
