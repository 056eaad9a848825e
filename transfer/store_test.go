package transfer_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/transfer"
)

// openStore opens a store for the time of a test.
func openStore(t testing.TB, dir string) *diskstore.Store {
	t.Helper()
	store, err := diskstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// newStore opens an empty store.
func newStore(t testing.TB) *diskstore.Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "store"))
}

// load loads what lies at path and expects no error.
func load(t testing.TB, store *diskstore.Store, path string, opts transfer.LoadOptions) *transfer.Report {
	t.Helper()
	report, err := transfer.Load(t.Context(), store, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// loadData loads an archive that is in memory and expects no error.
func loadData(t testing.TB, store *diskstore.Store, data []byte) *transfer.Report {
	t.Helper()
	return load(t, store, writeFile(t, data), transfer.LoadOptions{})
}

// dump lists all that is in a store: records, holders, marks and files.
func dump(t testing.TB, store *diskstore.Store) []string {
	t.Helper()
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	err := store.Read(t.Context(), func(tx *kvstore.Tx) error {
		for img, err := range tx.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			add("image %s parent %s layer %s content %v", img.ID, img.Parent, img.Layer, img.Content)
		}
		for ref, err := range tx.References.All(t.Context()) {
			if err != nil {
				return err
			}
			add("reference %s %s", ref.Ref, ref.ID)
		}
		for content, err := range tx.Images.Contents(t.Context()) {
			if err != nil {
				return err
			}
			add("content %v", content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(lines, listFiles(t, store.Dir())...)
}

// listFiles lists the files of a store but its records.
func listFiles(t testing.TB, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "meta.db") { // and its lock
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("file %s %d", strings.TrimPrefix(path, dir), info.Size()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// checkStore makes sure that every record has its bytes and every file a
// record.
func checkStore(t testing.TB, store *diskstore.Store) {
	t.Helper()
	damage, err := store.Verify(t.Context())
	if err != nil || len(damage) > 0 {
		t.Errorf("Verify = %v, %v; want no damage", damage, err)
	}
	held := 0
	err = store.Read(t.Context(), func(tx *kvstore.Tx) error {
		for content, err := range tx.Images.Contents(t.Context()) {
			if err != nil {
				return err
			}
			if content.Holders < 1 {
				t.Errorf("content %s has %d holders", content.Digest, content.Holders)
			}
			held++
		}
		return nil
	})
	if files := listFiles(t, store.Dir()); err != nil || len(files) != held {
		t.Errorf("files %q, %v; want %d", files, err, held)
	}
}

// describe writes a line for each image of a report: names, and those of the
// parent.
func describe(report *transfer.Report) []string {
	lines := make([]string, 0, len(report.Images))
	names := func(img transfer.LoadedImage) string {
		if len(img.Names) == 0 {
			return conflict.Short(img.ID.String())
		}
		familiar := make([]string, len(img.Names))
		for i, name := range img.Names {
			familiar[i] = reference.FamiliarString(name)
		}
		return strings.Join(familiar, " ")
	}
	for _, img := range report.Images {
		line := names(img)
		i := slices.IndexFunc(report.Images, func(other transfer.LoadedImage) bool { return other.ID == img.Parent })
		if i >= 0 {
			line += " <- " + names(report.Images[i])
		} else if img.Parent != "" {
			line += " <- " + conflict.Short(img.Parent.String())
		}
		lines = append(lines, line)
	}
	return lines
}
