package diskstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

// The golden stores lie here, one directory for each format: the store, and
// what it holds in dump.txt. None of them ever changes; a new format gets a
// directory of its own.
const golden = "../testdata/golden"

// writeGolden is set to a directory that is not there, to make a golden store
// in it:
//
//	JETTISON_TEST_WRITE_GOLDEN=/tmp/format-2 go test ./diskstore -run TestGoldenStores
const writeGolden = "JETTISON_TEST_WRITE_GOLDEN"

// Every version opens the stores of every format, finds all that they hold, and
// works on them.
func TestGoldenStores(t *testing.T) {
	if dir := os.Getenv(writeGolden); dir != "" {
		must(t, os.Mkdir(dir, 0o700)) // one that is there stays as it is
		makeGolden(t, filepath.Join(dir, "store"))
		must(t, os.WriteFile(filepath.Join(dir, "dump.txt"), []byte(dump(t, filepath.Join(dir, "store"))), 0o600))
	}
	formats, err := os.ReadDir(golden)
	must(t, err)
	if len(formats) < kvstore.Format {
		t.Errorf("got %d golden stores, want one for each of %d formats", len(formats), kvstore.Format)
	}
	for _, format := range formats {
		t.Run(format.Name(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			copyDir(t, filepath.Join(golden, format.Name(), "store"), dir)
			want, err := os.ReadFile(filepath.Join(golden, format.Name(), "dump.txt"))
			must(t, err)
			if diff := cmp.Diff(dump(t, dir), string(want)); diff != "" {
				t.Errorf("what the store holds (-got +want):\n%s", diff)
			}
			goOnWith(t, dir)
		})
	}
}

// This version writes the records of its format as they always were. When this
// fails, stores that are out there cannot be read by all versions of this
// format any more: that is a new format.
func TestFormatIsAsItWas(t *testing.T) {
	records := func(dir string) map[string]string {
		must(t, open(t, dir).Close()) // away with the marks, whose removal is not durable
		report, err := storecheck.Store(t.Context(), dir)
		must(t, err)
		if report.Problems != nil {
			t.Errorf("problems: %q", report.Problems)
		}
		return report.Records
	}
	old, fresh := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "fresh")
	copyDir(t, filepath.Join(golden, fmt.Sprint("format-", kvstore.Format), "store"), old)
	makeGolden(t, fresh)
	if diff := cmp.Diff(records(fresh), records(old)); diff != "" {
		t.Errorf("records (-got +want):\n%s", diff)
	}
}

// goOnWith opens a golden store, which finishes what was left undone, and
// changes it.
func goOnWith(t *testing.T, dir string) {
	s := open(t, dir)
	sound(t, s)
	if got := marks(t, s); got != nil {
		t.Errorf("got marks %v, want none", got)
	}
	must(t, tagsAs("app:1.0", "more")(t.Context(), s))
	must(t, loading("new", "os", "of new")(t.Context(), s))
	must(t, deletes("app:1.0")(t.Context(), s)) // untags it
	_, err := jettison.New(s, nil).ImageDelete(t.Context(), "used", jettison.RemoveOptions{})
	wants(t, err, jettison.ErrConflict, "container")
	_, err = jettison.New(s, nil).ImageDelete(t.Context(), "leased", jettison.RemoveOptions{})
	wants(t, err, jettison.ErrConflict, "build builder")
	must(t, prunes(t.Context(), s))
	sound(t, s)
	var want []string // all but the spare one and the new one
	for _, name := range []string{"leased", "more", "mounted", "used"} {
		want = append(want, ref(name).String())
	}
	if diff := cmp.Diff(tags(t, s), want); diff != "" {
		t.Errorf("names after a prune (-got +want):\n%s", diff)
	}
	must(t, s.Close())
	report, err := storecheck.Store(t.Context(), dir)
	must(t, err)
	if report.Problems != nil {
		t.Errorf("problems: %q", report.Problems)
	}
}

// makeGolden makes a store that has something of everything, and was left by a
// crash: content is marked as garbage, and files were being written.
func makeGolden(t *testing.T, dir string) {
	s, err := openStepping(t.Context(), dir, options(), func(step, path string) error {
		if step == "remove" && strings.Contains(path, "blobs") {
			return errors.New("the content stays")
		}
		return nil
	})
	must(t, err)
	base := describeAs(digest.SHA512, "layer of the base")
	bring(t, s, "", imagestore.Spec{Config: []byte(goldenConfig("base", "os")), Layers: []ocispec.Descriptor{base}})
	parent := digest.FromString(goldenConfig("base", "os"))
	app := goldenConfig("app", "os", "app")
	bring(t, s, "app:1.0", imagestore.Spec{Config: []byte(app), Parent: parent, Layers: []ocispec.Descriptor{base, describe("layer of app")}})
	for _, name := range []string{"used", "mounted", "leased", "spare", "gone"} {
		bring(t, s, name, imagestore.Spec{Config: []byte(goldenConfig(name, "os", name)), Layers: []ocispec.Descriptor{base, describe("layer of " + name)}})
	}
	must(t, edits(addUses)(t.Context(), s))
	must(t, deletes("gone")(t.Context(), s))
	must(t, s.Close())
	write(t, filepath.Join(dir, "ingest", "blob-1"), "half of a layer")
	write(t, filepath.Join(dir, "ingest", "archive-2"), "half of an archive")
	write(t, filepath.Join(dir, "meta.db.new-3"), "half of a file for records")
}

// addUses records names, containers and leases.
func addUses(ctx context.Context, tx *kvstore.Tx) error {
	ids := make(map[string]digest.Digest)
	for _, name := range []string{"app:1.0", "used", "mounted", "leased"} {
		id, err := named(ctx, tx, name)
		if err != nil {
			return err
		}
		ids[name] = id
	}
	manifest, err := reference.WithDigest(reference.TrimNamed(ref("app")), digest.FromString("a manifest"))
	if err != nil {
		return err
	}
	until := time.Unix(4_000_000_000, 0).UTC()
	_, running := tx.Containers.Add(ctx, jettison.Container{
		ID: "c0ffee", Name: "web", Image: ids["used"], Mounts: []digest.Digest{ids["mounted"], ids["app:1.0"]}, Running: true,
	})
	_, stopped := tx.Containers.Add(ctx, jettison.Container{ID: "decaf", Image: ids["used"]})
	return errors.Join(
		tx.References.AddDigest(ctx, manifest, ids["app:1.0"]),
		running, stopped, tx.Containers.Remove(ctx, "decaf", kvstore.RemoveOptions{}),
		tx.Leases.Add(ctx, ids["leased"], conflict.Lease{ID: "1", Kind: conflict.LeaseBuild, Owner: "builder"}),
		tx.Leases.Add(ctx, ids["leased"], conflict.Lease{ID: "2", Kind: conflict.LeaseCreate, Owner: "engine", Expires: until}),
	)
}

func goldenConfig(name string, layers ...string) string {
	diffIDs := make([]string, len(layers))
	for i, layer := range layers {
		diffIDs[i] = fmt.Sprintf("%q", digest.FromString("uncompressed "+layer))
	}
	return fmt.Sprintf(`{"author":%q,"created":"2024-05-06T07:08:09.000000010Z","architecture":"arm","variant":"v7","os":"linux",`+
		`"os.version":"6.1","os.features":["a","b"],"config":{"Labels":{"name":%q,"empty":""}},"rootfs":{"type":"layers","diff_ids":[%s]}}`,
		name, name, strings.Join(diffIDs, ","))
}

func describeAs(algorithm digest.Algorithm, content string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: algorithm.FromString(content), Size: int64(len(content))}
}

// bring loads an image, whose layers are told by their descriptors alone.
func bring(t *testing.T, s *diskstore.Store, name string, spec imagestore.Spec) {
	ctx := t.Context()
	in := ingest(t, s)
	contents := map[digest.Digest]string{digest.SHA512.FromString("layer of the base"): "layer of the base"}
	for _, of := range []string{"app", "used", "mounted", "leased", "spare", "gone"} {
		contents[digest.FromString("layer of "+of)] = "layer of " + of
	}
	for _, layer := range spec.Layers {
		_, err := in.Write(ctx, strings.NewReader(contents[layer.Digest]), layer)
		must(t, err)
	}
	config, err := in.Write(ctx, strings.NewReader(string(spec.Config)), describe(string(spec.Config)))
	must(t, err)
	spec.Content = []ocispec.Descriptor{config}
	must(t, in.Commit(ctx, func(tx *kvstore.Tx) error {
		img, err := tx.CreateImage(ctx, spec)
		if err != nil || name == "" {
			return err
		}
		return tx.Tag(ctx, img.ID, ref(name), refstore.AddOptions{})
	}))
}

// dump writes all that a store holds, one thing a line, without changing it.
func dump(t *testing.T, dir string) string {
	ctx := t.Context()
	s, err := diskstore.Open(ctx, dir, &diskstore.Options{ReadOnly: true})
	must(t, err)
	defer s.Close() //nolint:errcheck // nothing was written
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	must(t, s.Read(ctx, func(tx *kvstore.Tx) error {
		dumpImages(t, tx, add)
		for r, err := range tx.References.All(ctx) {
			must(t, err)
			add("reference %s %s", r.Ref, r.ID)
		}
		for c, err := range tx.Containers.All(ctx) {
			must(t, err)
			add("container %s name=%s image=%s mounts=%s running=%t", c.ID, c.Name, c.Image, c.Mounts, c.Running)
		}
		for content, err := range tx.Images.Garbage(ctx) {
			must(t, err)
			add("garbage %s", content)
		}
		return nil
	}))
	for path, size := range onDisk(t, dir) {
		add("file %s %d", path, size)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func dumpImages(t *testing.T, tx *kvstore.Tx, add func(format string, args ...any)) {
	ctx := t.Context()
	digests := func(contents []imagestore.Content) (all []digest.Digest) {
		for _, c := range contents {
			all = append(all, c.Digest)
		}
		return all
	}
	for img, err := range tx.Images.All(ctx) {
		must(t, err)
		p := img.Platform
		add("image %s parent=%s layer=%s content=%s size=%d", img.ID, img.Parent, img.Layer, digests(img.Content), img.Size)
		add("image %s created=%s used=%d labels=%q", img.ID, img.Created.Format(time.RFC3339Nano), img.LastUsed.Unix(), img.Labels)
		add("image %s os=%s %s %s architecture=%s %s", img.ID, p.OS, p.OSVersion, p.OSFeatures, p.Architecture, p.Variant)
		leases, err := tx.Leases.Leases(ctx, img.ID)
		must(t, err)
		for _, l := range leases {
			add("lease %s on %s kind=%s owner=%s expires=%d", l.ID, img.ID, l.Kind, l.Owner, l.Expires.Unix())
		}
	}
	for l, err := range tx.Images.Layers(ctx) {
		must(t, err)
		add("layer %s diff=%s parent=%s holders=%d content=%s", l.ChainID, l.DiffID, l.Parent, l.Holders, digests(l.Content))
	}
	for c, err := range tx.Images.Contents(ctx) {
		must(t, err)
		add("content %s size=%d holders=%d", c.Digest, c.Size, c.Holders)
	}
}
