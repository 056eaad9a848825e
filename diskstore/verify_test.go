package diskstore_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
)

func TestVerify(t *testing.T) { // E3
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "sound", "missing", "short", "altered")
	must(t, err)
	path := func(content string) string {
		return filepath.Join(s.Dir(), "blobs", "sha256", describe(content).Digest.Encoded())
	}
	intact(t, s)
	must(t, os.Remove(path("missing")))
	must(t, os.WriteFile(path("short"), []byte("sho"), 0o600))
	must(t, os.WriteFile(path("altered"), []byte("Altered"), 0o600))

	damage, err := s.Verify(t.Context())
	must(t, err)
	got := make(map[string]string)
	for _, d := range damage {
		got[filepath.Base(d.Path)] = d.Err.Error()
		wants(t, &d, jettison.ErrInternal, d.Path)
		if missing := d.Digest == describe("missing").Digest; errors.Is(&d, fs.ErrNotExist) != missing {
			t.Errorf("got %v, want fs.ErrNotExist for the missing file alone", &d)
		}
	}
	want := map[string]string{
		filepath.Base(path("missing")): "open " + path("missing") + ": no such file or directory",
		filepath.Base(path("short")):   "it has 3 bytes, not 5",
		filepath.Base(path("altered")): "it is not what its digest says",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("damage (-got +want):\n%s", diff)
	}
}

func TestBlob(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "sound", "missing", "altered")
	must(t, err)
	path := func(content string) string {
		return filepath.Join(s.Dir(), "blobs", "sha256", describe(content).Digest.Encoded())
	}
	must(t, os.Remove(path("missing")))
	must(t, os.WriteFile(path("altered"), []byte("Altered"), 0o600))
	write(t, path("stray"), "stray")

	r, err := s.Blob(t.Context(), describe("sound").Digest)
	must(t, err)
	must(t, remove(t.Context(), s, "app")) // whoever has it open reads on
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "sound" {
		t.Errorf("got %q (error %v), want sound", got, err)
	}
	must(t, r.Close())

	_, err = load(t.Context(), s, "app", "altered", "gone")
	must(t, err)
	must(t, os.WriteFile(path("altered"), []byte("Altered"), 0o600))
	must(t, os.Remove(path("gone")))
	r, err = s.Blob(t.Context(), describe("altered").Digest)
	must(t, err)
	_, err = io.ReadAll(r)
	wants(t, err, jettison.ErrInternal, path("altered"))
	must(t, r.Close())
	_, err = s.Blob(t.Context(), describe("gone").Digest)
	var damage *diskstore.Damage
	if !errors.As(err, &damage) || damage.Path != path("gone") {
		t.Errorf("got %v, want a Damage of the missing file", err)
	}
	for _, unknown := range []string{"stray", "none"} {
		_, err = s.Blob(t.Context(), describe(unknown).Digest)
		wants(t, err, jettison.ErrNotFound, describe(unknown).Digest.String())
	}
	for _, bad := range []digest.Digest{"", "sha256:", "../../etc/passwd", "sha256:" + digest.Digest(strings.Repeat("../", 21)) + "x"} {
		_, err = s.Blob(t.Context(), bad)
		wants(t, err, jettison.ErrInvalidArgument, "invalid digest")
	}
}

// ahead is a database on which something happens ahead of Views.
type ahead struct {
	kv.DB
	views []func()
}

func (db *ahead) View(ctx context.Context, fn func(kv.Reader) error) error {
	if len(db.views) > 0 {
		next := db.views[0]
		db.views = db.views[1:]
		next()
	}
	return db.DB.View(ctx, fn)
}

// A file that was not there a moment ago is no damage when its image has come
// since.
func TestContentThatComesBackIsNoDamage(t *testing.T) { // E3
	s := open(t, t.TempDir())
	db := &ahead{}
	must(t, s.Wrap(t.Context(), func(inner kv.DB) kv.DB { db.DB = inner; return db }))
	comes := func() { loads(t, s, "app") }
	layer := fmt.Sprintf("%10s", "app")

	db.views = []func(){comes} // between the look at the file and that at the record
	r, err := s.Blob(t.Context(), describe(layer).Digest)
	must(t, err)
	got, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	if string(got) != layer || len(db.views) > 0 {
		t.Errorf("got %q, want %q", got, layer)
	}

	goes := func() {
		must(t, os.RemoveAll(filepath.Join(s.Dir(), "blobs", "sha256", describe(layer).Digest.Encoded())))
	}
	back := func() { write(t, filepath.Join(s.Dir(), "blobs", "sha256", describe(layer).Digest.Encoded()), layer) }
	db.views = []func(){goes, back}
	damage, err := s.Verify(t.Context())
	must(t, err)
	if len(damage) > 0 || len(db.views) > 0 {
		t.Errorf("got damage %v, want none", damage)
	}
	sound(t, s)
}
