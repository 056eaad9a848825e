package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/transfer"
)

// realArchives lists each archive of a real engine with the images that it
// holds on linux/amd64, and what is skipped.
func realArchives() map[string]struct{ images, skipped []string } {
	return map[string]struct{ images, skipped []string }{
		"docker-archive.tar": {images: []string{
			"base:1.0", "app:1.0 app:latest registry.example.com/team/app:1.0", "web:1.0 web:stable", "full:1.0",
		}},
		"docker-archive-parents.tar": {images: []string{
			"p1:1", "p2:1 <- p1:1", "p3:1 p3:latest <- p2:1", "p4:1 <- p2:1",
		}},
		"oci-layout-skopeo.tar": {images: []string{
			"base:1.0", "app:1.0 registry.example.com/team/app:1.0", "web:1.0", "full:1.0",
		}},
		"podman-docker-archive.tar": {images: []string{
			"localhost/base:1.0", "localhost/app:1.0 localhost/app:latest",
		}},
		"podman-oci-archive.tar": {images: []string{"localhost/app:1.0"}},
		"oci-layout-podman-index.tar": {
			images:  []string{"multi:1.0"},
			skipped: []string{"linux/arm64: of an index, one platform is loaded: linux/amd64"},
		},
		"oci-layout-referrers.tar": {
			images: []string{"app:signed", "0c99a8380ca9", "c0bebd617f21", "e9c50f2c8b02"},
		},
	}
}

// amd64 makes the choice among platforms independent of the machine.
func amd64() transfer.LoadOptions {
	return transfer.LoadOptions{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
}

func describeSkipped(report *transfer.Report) []string {
	var lines []string
	for _, s := range report.Skipped {
		lines = append(lines, s.Name+": "+s.Reason)
	}
	return lines
}

func TestLoad(t *testing.T) {
	for name, want := range realArchives() {
		data := real(t, name)
		forms := map[string]string{
			"plain": writeFile(t, data),
			"gzip":  writeFile(t, gzipped(t, data)),
			"zstd":  writeFile(t, zstandard(t, data)),
			// As parallel compressors write it: frames, the first one to be skipped.
			"pzstd": writeFile(t, append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00size"), zstandard(t, data)...)),
		}
		if strings.Contains(name, "oci") {
			forms["directory"] = writeDir(t, unpack(t, data))
		}
		for form, path := range forms {
			t.Run(name+"/"+form, func(t *testing.T) {
				store := newStore(t)
				report := load(t, store, path, amd64())
				checkReport(t, store, report, want.images, want.skipped)
			})
		}
		t.Run(name+"/stream", func(t *testing.T) {
			store := newStore(t)
			// A reader that is nothing but a reader.
			report, err := transfer.LoadReader(t.Context(), store, io.MultiReader(bytes.NewReader(gzipped(t, data))), amd64())
			if err != nil {
				t.Fatal(err)
			}
			checkReport(t, store, report, want.images, want.skipped)
		})
	}
}

// checkReport makes sure that a report says what it should and that the store
// has just what it says.
func checkReport(t *testing.T, store *diskstore.Store, report *transfer.Report, images, skipped []string) {
	t.Helper()
	if diff := cmp.Diff(describe(report), images); diff != "" {
		t.Errorf("images (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(describeSkipped(report), skipped); diff != "" {
		t.Errorf("skipped (-got +want):\n%s", diff)
	}
	checkStore(t, store)
	checkRecords(t, store, report)
}

func checkRecords(t *testing.T, store *diskstore.Store, report *transfer.Report) {
	t.Helper()
	var got, want []string
	err := store.Read(t.Context(), func(tx *kvstore.Tx) error {
		for _, img := range report.Images {
			record, err := tx.Images.Get(t.Context(), img.ID)
			if err != nil {
				return err
			}
			if record.Parent != img.Parent || record.Platform.Architecture != img.Platform.Architecture {
				t.Errorf("record of %s: parent %q, platform %v; reported %q, %v", img.ID, record.Parent, record.Platform, img.Parent, img.Platform)
			}
			for _, name := range img.Names {
				want = append(want, name.String()+" "+img.ID.String())
			}
		}
		for ref, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			got = append(got, ref.Ref.String()+" "+ref.ID.String())
		}
		return nil
	})
	slices.Sort(want)
	if diff := cmp.Diff(got, want); diff != "" || err != nil {
		t.Errorf("references, %v (-got +want):\n%s", err, diff)
	}
}

// Loading again changes nothing, and says the same.
func TestLoadTwice(t *testing.T) {
	for name := range realArchives() {
		t.Run(name, func(t *testing.T) {
			store, path := newStore(t), writeFile(t, real(t, name))
			first := describe(load(t, store, path, amd64()))
			before := dump(t, store)
			again := load(t, store, path, amd64())
			if diff := cmp.Diff(describe(again), first); diff != "" || again.Moved != nil {
				t.Errorf("second report, moved %v (-got +want):\n%s", again.Moved, diff)
			}
			if diff := cmp.Diff(dump(t, store), before); diff != "" {
				t.Errorf("store (-got +want):\n%s", diff)
			}
		})
	}
}

// All archives in one store share what they can, and all of it goes with them.
func TestLoadThenDelete(t *testing.T) {
	store := newStore(t)
	var ids []string
	for name := range realArchives() {
		for _, img := range load(t, store, writeFile(t, real(t, name)), amd64()).Images {
			ids = append(ids, img.ID.String())
		}
	}
	checkStore(t, store)
	service := jettison.New(store, nil)
	for range len(ids) { // children go before their parents
		for _, id := range ids {
			_, err := service.ImageDelete(t.Context(), id, jettison.RemoveOptions{Force: true})
			if err != nil && !errors.Is(err, jettison.ErrConflict) && !errors.Is(err, jettison.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// A loaded name moves, and the report says from where.
func TestLoadMovesNames(t *testing.T) {
	store, l := newStore(t), newLayout(t)
	l.list(l.image(linux("amd64"), ocispec.MediaTypeImageLayer, asIs), "base:1.0")
	other := loadData(t, store, pack(t, l.files()...))
	report := loadData(t, store, real(t, "oci-layout-skopeo.tar"))
	want := []transfer.MovedName{{Name: report.Images[0].Names[0], From: other.Images[0].ID, To: report.Images[0].ID}}
	if diff := cmp.Diff(report.Moved, want, cmp.Transformer("Name", transferName)); diff != "" {
		t.Errorf("moved (-got +want):\n%s", diff)
	}
	checkStore(t, store)
}

func transferName(m transfer.MovedName) string {
	return m.Name.String() + m.From.String() + m.To.String()
}

func linux(architecture string) ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: architecture}
}

// Each item of the progress begins at zero and ends at its total, whether the
// store had it or not.
func TestLoadProgress(t *testing.T) {
	l, store := newLayout(t), newStore(t)
	content := pack(t, file{name: "f", body: make([]byte, 300<<10)})
	l.list(l.imageOf(configOf(linux("amd64"), digest.FromBytes(content)), l.add(ocispec.MediaTypeImageLayer, content)), "a:1")
	l.list(l.imageOf(configOf(linux("arm64"), digest.FromBytes(content)), l.add(ocispec.MediaTypeImageLayer, content)), "b:1")
	path := writeFile(t, gzipped(t, pack(t, l.files()...)))
	for _, round := range []string{"first", "again"} {
		last := make(map[string]transfer.Progress)
		var items []string
		load(t, store, path, transfer.LoadOptions{Progress: func(p transfer.Progress) {
			before, ok := last[p.Item]
			if !ok {
				items = append(items, p.Item)
			}
			if p.Done < before.Done || !ok && p.Done != 0 {
				t.Errorf("%s: %+v after %+v", round, p, before)
			}
			last[p.Item] = p
		}})
		if diff := cmp.Diff(items, []string{"archive", digest.FromBytes(content).String()}); diff != "" {
			t.Errorf("%s: items (-got +want):\n%s", round, diff)
		}
		for _, p := range last {
			if p.Done != p.Total || p.Total == 0 {
				t.Errorf("%s: ends with %+v", round, p)
			}
		}
	}
}

// A context that ends during the load leaves the store as it was.
func TestLoadCancelled(t *testing.T) {
	store := newStore(t)
	for _, data := range [][]byte{real(t, "docker-archive.tar"), gzipped(t, real(t, "podman-oci-archive.tar"))} {
		ctx, cancel := context.WithCancel(t.Context())
		opts := transfer.LoadOptions{Progress: func(p transfer.Progress) {
			if p.Done > 0 {
				cancel()
			}
		}}
		_, err := transfer.Load(ctx, store, writeFile(t, data), opts)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) {
			t.Errorf("err = %v, want that of the context", err)
		}
		if rest := dump(t, store); len(rest) > 0 {
			t.Errorf("left behind: %q", rest)
		}
	}
}

// A reader that has nothing to say does not hold up a load whose context ends.
func TestLoadReaderCancelled(t *testing.T) {
	for name, begin := range map[string][]byte{"at once": nil, "in the midst": gzipped(t, real(t, "docker-archive.tar"))[:5000]} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()   //nolint:errcheck // never fails
			go w.Write(begin) //nolint:errcheck // nobody may read it
			store := newStore(t)
			checkEnds(t, store, "(stream)", func(ctx context.Context) error {
				_, err := transfer.LoadReader(ctx, store, r, transfer.LoadOptions{})
				return err
			})
		})
	}
}

// checkEnds makes sure that a load of what lies at path ends with its context
// and leaves nothing. On a busy machine the context may end before the load has
// begun to read, so that its error does not name what it reads: then it gets more
// time.
func checkEnds(t *testing.T, store *diskstore.Store, path string, load func(context.Context) error) {
	t.Helper()
	want := "archive " + path + ": " + context.DeadlineExceeded.Error()
	var err error
	for limit := 50 * time.Millisecond; limit < patience; limit *= 4 {
		if err = endOf(t, limit, load); err == nil || err.Error() == want {
			break
		}
	}
	if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("err = %v, want %q of class Unavailable", err, want)
	}
	if rest := dump(t, store); len(rest) > 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// endOf returns the error of a load whose context ends after so much time.
func endOf(t *testing.T, limit time.Duration, load func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- load(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit + patience):
		t.Fatal("the load goes on after its context has ended")
	}
	return nil
}

// patience is how long a test waits for what should happen at once.
const patience = time.Minute

// Stores that cannot take an archive are not touched.
func TestLoadIntoReadOnlyStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := openStore(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	store, err := diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	_, err = transfer.Load(t.Context(), store, writeFile(t, gzipped(t, real(t, "docker-archive.tar"))), transfer.LoadOptions{})
	if !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("err = %v, want class InvalidArgument", err)
	}
}
