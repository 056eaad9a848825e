package transfer_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// alter changes a byte of each file of a store, one after another, lets check
// look and puts the byte back.
func alter(t *testing.T, store *diskstore.Store, check func(path string)) {
	t.Helper()
	for _, line := range listFiles(t, store.Dir()) {
		path := filepath.Join(store.Dir(), strings.Fields(line)[1])
		right, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wrong := bytes.Clone(right)
		wrong[len(wrong)/2] ^= 1
		if err := os.WriteFile(path, wrong, 0o600); err != nil {
			t.Fatal(err)
		}
		check(path)
		if err := os.WriteFile(path, right, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is altered, loading the same again puts it right.
func TestLoadHeals(t *testing.T) {
	for name := range realArchives() {
		t.Run(name, func(t *testing.T) {
			store, path := newStore(t), writeFile(t, real(t, name))
			load(t, store, path, amd64())
			before := dump(t, store)
			alter(t, store, func(string) {
				load(t, store, path, amd64())
				checkStore(t, store)
			})
			if got := dump(t, store); strings.Join(got, "\n") != strings.Join(before, "\n") {
				t.Errorf("store is %q, want %q", got, before)
			}
		})
	}
}

// An image that shares a layer with one in the store relies on the form that
// the store has. When that is damaged, no load succeeds.
func TestLoadOnDamage(t *testing.T) {
	content := pack(t, file{name: "f", body: []byte("content")})
	archive := func(name, mediaType string, blob []byte, author string) string {
		l := newLayout(t)
		config := configOf(linux("amd64"), digest.FromBytes(content))
		config.Author = author
		l.list(l.imageOf(config, l.add(mediaType, blob)), name)
		return writeFile(t, pack(t, l.files()...))
	}
	zipped := archive("zipped:1", ocispec.MediaTypeImageLayerGzip, gzipped(t, content), "")
	for name, tt := range map[string]struct {
		other   string
		refused int // files without which it cannot do
	}{
		"another image":  {archive("plain:1", ocispec.MediaTypeImageLayer, content, "someone"), 1}, // the layer
		"the same image": {archive("plain:1", ocispec.MediaTypeImageLayer, content, ""), 2},        // and the manifest
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			load(t, store, zipped, amd64())
			refused := 0
			alter(t, store, func(path string) {
				before := dump(t, store)
				_, err := transfer.Load(t.Context(), store, tt.other, amd64())
				if err == nil { // it does not need the content, or has brought it
					return
				}
				refused++
				var damage *diskstore.Damage
				if !errors.Is(err, jettison.ErrInternal) || !errors.As(err, &damage) || damage.Path != path {
					t.Errorf("err = %v, want a Damage of %s", err, path)
				}
				if got := dump(t, store); strings.Join(got, "\n") != strings.Join(before, "\n") {
					t.Errorf("store is %q, want %q", got, before)
				}
			})
			if refused != tt.refused {
				t.Errorf("%d loads were refused, want %d", refused, tt.refused)
			}
		})
	}
}
