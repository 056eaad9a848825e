package storecheck_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	parent = `{"rootfs":{"type":"layers","diff_ids":["` + base + `"]}}`
	child  = `{"author":"child","rootfs":{"type":"layers","diff_ids":["` + base + `","` + top + `"]}}`
	base   = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	top    = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
)

// describe returns the descriptor of content.
func describe(content string) ocispec.Descriptor {
	return ocispec.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
}

// closedStore makes a store with a record of every kind, and closes it.
func closedStore(t testing.TB) (dir string) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	s, err := diskstore.Open(ctx, dir, nil)
	must(t, err)
	in, err := s.Ingest(ctx)
	must(t, err)
	for _, content := range []string{parent, child, "base", "top"} {
		_, err := in.Write(ctx, strings.NewReader(content), describe(content))
		must(t, err)
	}
	must(t, in.Commit(ctx, func(tx *kvstore.Tx) error { return fill(ctx, tx) }))
	must(t, s.Close())
	return dir
}

func fill(ctx context.Context, tx *kvstore.Tx) error {
	of, err := tx.Images.Create(ctx, imagestore.Spec{
		Config: []byte(parent), Content: []ocispec.Descriptor{describe(parent)}, Layers: []ocispec.Descriptor{describe("base")},
	})
	if err != nil {
		return err
	}
	img, err := tx.Images.Create(ctx, imagestore.Spec{
		Config: []byte(child), Content: []ocispec.Descriptor{describe(child)}, Parent: of.ID,
		Layers: []ocispec.Descriptor{describe("base"), describe("top")},
	})
	if err != nil {
		return err
	}
	name, err := reference.ParseNormalizedNamed("app")
	if err != nil {
		return err
	}
	if err := tx.Tag(ctx, img.ID, name, refstore.AddOptions{}); err != nil {
		return err
	}
	if _, err := tx.Containers.Add(ctx, jettison.Container{ID: "c", Name: "n", Image: img.ID}); err != nil {
		return err
	}
	return tx.Leases.Add(ctx, of.ID, conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "me"})
}

// edit changes the records of a closed store past all rules.
func edit(t testing.TB, dir string, fn func(tx kv.Tx) error) {
	t.Helper()
	db, err := boltkv.Open(t.Context(), filepath.Join(dir, "meta.db"), nil)
	must(t, err)
	must(t, db.Update(t.Context(), fn))
	must(t, db.Close())
}

func TestASoundStore(t *testing.T) {
	dir := closedStore(t)
	report, err := storecheck.Store(t.Context(), dir)
	must(t, err)
	if report.Problems != nil || report.Marks != nil {
		t.Errorf("got problems %q and marks %v, want none", report.Problems, report.Marks)
	}
	// Two images, layers, names and so on: all is in the records.
	if got, want := len(report.Records), 1+2+1+2+4+2+3+1; got != want {
		t.Errorf("got %d records, want %d: %q", got, want, report.Records)
	}
}

// Whatever is wrong with the records is found.
func TestRecordsThatDoNotFit(t *testing.T) {
	put := func(key, value string) func(context.Context, kv.Tx) error {
		return func(ctx context.Context, tx kv.Tx) error { return tx.Put(ctx, []byte(key), []byte(value)) }
	}
	remove := func(prefix string) func(context.Context, kv.Tx) error {
		return func(ctx context.Context, tx kv.Tx) error {
			var first []byte
			for entry, err := range tx.Scan(ctx, []byte(prefix)) {
				if err != nil {
					return err
				}
				first = bytes.Clone(entry.Key)
				break
			}
			return tx.Delete(ctx, first)
		}
	}
	id, of := digest.FromString(child).String(), digest.FromString(parent).String()
	for name, test := range map[string]struct {
		harm func(context.Context, kv.Tx) error
		want string
	}{
		"child gone":              {remove("child/"), "index key \"child/" + of + "/" + id},
		"child of nothing":        {put("child/"+id+"/"+of, ""), "belongs to no record"},
		"reference not listed":    {remove("idref/"), "index key \"idref/"},
		"listing of no reference": {put("idref/"+id+"/docker.io/library/x:1", ""), "belongs to no record"},
		"name gone":               {remove("name/"), "index key \"name/n\""},
		"name of another":         {put("name/n", "d"), "has value \"d\""},
		"use gone":                {remove("use/"), "index key \"use/"},
		"use of no container":     {put("use/"+of+"/c", ""), "belongs to no record"},
		"held garbage":            {put("garbage/"+of, ""), "is held and marked as garbage"},
		"unknown key":             {put("else/x", ""), "key \"else/x\" is of an unknown kind"},
		"image gone": {func(ctx context.Context, tx kv.Tx) error {
			return tx.Delete(ctx, []byte("image/"+id))
		}, "names image " + id + ", which is missing"},
		"parent gone": {func(ctx context.Context, tx kv.Tx) error {
			return tx.Delete(ctx, []byte("image/"+of))
		}, "names image " + of + ", which is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := closedStore(t)
			edit(t, dir, func(tx kv.Tx) error { return test.harm(t.Context(), tx) })
			report, err := storecheck.Store(t.Context(), dir)
			must(t, err)
			if !strings.Contains(strings.Join(report.Problems, "\n"), test.want) {
				t.Errorf("got problems %q, want one that says %q", report.Problems, test.want)
			}
		})
	}
}

// A count that is one too high is found: the records of a time when there was
// one image more, without it.
func TestCountsThatAreWrong(t *testing.T) {
	dir := closedStore(t)
	stale := make(map[string][]byte)
	edit(t, dir, func(tx kv.Tx) error {
		for _, kind := range []string{"layer/", "content/"} {
			for entry, err := range tx.Scan(t.Context(), []byte(kind)) {
				must(t, err)
				stale[string(entry.Key)] = bytes.Clone(entry.Value)
			}
		}
		return nil
	})
	s, err := diskstore.Open(t.Context(), dir, nil)
	must(t, err)
	must(t, s.Edit(t.Context(), func(tx *kvstore.Tx) error {
		must(t, tx.Containers.Remove(t.Context(), "c", kvstore.RemoveOptions{}))
		_, err := tx.DeleteImage(t.Context(), digest.FromString(parent))
		return err
	}))
	must(t, s.Close())
	edit(t, dir, func(tx kv.Tx) error {
		for key, value := range stale {
			if err := tx.Put(t.Context(), []byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	report, err := storecheck.Store(t.Context(), dir)
	must(t, err)
	all := strings.Join(report.Problems, "\n")
	for _, want := range []string{
		"layer " + base + " has 2 holders by its record, but there are 1",
		"content " + digest.FromString(parent).String() + " has 1 holders by its record, but there are 0",
		"file blobs/sha256/" + digest.FromString(parent).Encoded() + " is missing",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("got problems %q, want one that says %q", report.Problems, want)
		}
	}
}

// Whatever is wrong with the files is found.
func TestFilesThatDoNotFit(t *testing.T) {
	blob := filepath.Join("blobs", "sha256", describe("top").Digest.Encoded())
	for name, test := range map[string]struct {
		harm func(dir string) error
		want string
	}{
		"missing": {func(dir string) error { return os.Remove(filepath.Join(dir, blob)) }, "file " + blob + " is missing"},
		"short":   {func(dir string) error { return os.Truncate(filepath.Join(dir, blob), 1) }, "is altered"},
		"altered": {func(dir string) error { return os.WriteFile(filepath.Join(dir, blob), []byte("tip"), 0o600) }, "is altered"},
		"stray":   {func(dir string) error { return os.WriteFile(filepath.Join(dir, blob+"0"), nil, 0o600) }, "file " + blob + "0 belongs to nothing"},
		"temporary": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "ingest", "blob-1"), nil, 0o600)
		}, "file ingest/blob-1 belongs to nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := closedStore(t)
			must(t, test.harm(dir))
			report, err := storecheck.Store(t.Context(), dir)
			must(t, err)
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], test.want) {
				t.Errorf("got problems %q, want one that says %q", report.Problems, test.want)
			}
		})
	}
}
