package diskstore_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/diskstore"
)

// blobPath is the file of content in a store.
func blobPath(dir, content string) string {
	return filepath.Join(dir, "blobs", "sha256", describe(content).Digest.Encoded())
}

// brief is what findings are about, a line each.
func brief(dir string, findings []check.Finding) []string {
	lines := []string{}
	for _, f := range findings {
		where := strings.TrimPrefix(f.Where(), dir+string(filepath.Separator))
		line := string(f.Kind) + ": " + filepath.ToSlash(where)
		if len(f.Images) > 0 {
			line += " " + strings.Join(f.Images, " ")
		}
		lines = append(lines, line)
	}
	return lines
}

func checked(t testing.TB, s *diskstore.Store, opts diskstore.CheckOptions) []string {
	t.Helper()
	findings, err := s.Check(t.Context(), opts)
	must(t, err)
	return brief(s.Dir(), findings)
}

func wantFindings(t testing.TB, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s (-got +want):\n%s", what, diff)
	}
}

// A fileCase is damage of files, and what is found without and with reading
// them.
type fileCase struct {
	harm            func(t *testing.T, dir string)
	quick, thorough []string
	// left is what a repair that keeps incomplete images leaves.
	left []string
	// gone says that one that drops them takes app.
	gone bool
}

func fileCases() map[string]fileCase {
	layer := "blobs/sha256/" + describe("layer").Digest.Encoded()
	of := func(kind check.Kind) []string { return []string{string(kind) + ": " + layer + " app:latest"} }
	stray := func(path string) []string { return []string{"stray file: " + path} }
	writes := func(path, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700))
			write(t, filepath.Join(dir, path), content)
		}
	}
	none := []string{}
	unowned := "blobs/sha256/" + describe("unowned").Digest.Encoded()
	return map[string]fileCase{
		"nothing": {harm: func(*testing.T, string) {}, quick: none, thorough: none, left: none},
		"missing": {
			harm:  func(t *testing.T, dir string) { must(t, os.Remove(blobPath(dir, "layer"))) },
			quick: of(check.MissingContent), thorough: of(check.MissingContent), left: of(check.MissingContent), gone: true,
		},
		"short": {
			harm:  func(t *testing.T, dir string) { must(t, os.Truncate(blobPath(dir, "layer"), 2)) },
			quick: of(check.AlteredContent), thorough: of(check.AlteredContent), left: of(check.AlteredContent), gone: true,
		},
		"altered": { // C1
			harm:  writes(layer, "Layer"),
			quick: none, thorough: of(check.AlteredContent), left: of(check.AlteredContent), gone: true,
		},
		"a directory": {
			harm: func(t *testing.T, dir string) {
				must(t, os.Remove(blobPath(dir, "layer")))
				must(t, os.Mkdir(blobPath(dir, "layer"), 0o700))
			},
			quick: of(check.AlteredContent), thorough: of(check.AlteredContent), left: of(check.AlteredContent), gone: true,
		},
		"unowned":             {harm: writes(unowned, "unowned"), quick: stray(unowned), thorough: stray(unowned), left: none},
		"no digest":           {harm: writes("blobs/sha256/x", ""), quick: stray("blobs/sha256/x"), thorough: stray("blobs/sha256/x"), left: none},
		"no algorithm":        {harm: writes("blobs/md5/x", ""), quick: stray("blobs/md5"), thorough: stray("blobs/md5"), left: none},
		"directory in ingest": {harm: writes("ingest/a/b", ""), quick: stray("ingest/a"), thorough: stray("ingest/a"), left: none},
	}
}

// C1, C3, C6, C7
func TestCheckAndRepairOfFiles(t *testing.T) {
	for name, c := range fileCases() {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			for _, name := range []string{"app", "web"} {
				_, err := load(t.Context(), s, name, "base", map[string]string{"app": "layer", "web": "other"}[name])
				must(t, err)
			}
			c.harm(t, s.Dir())
			before := whole(t, s.Dir())
			wantFindings(t, "check", checked(t, s, diskstore.CheckOptions{}), c.quick)
			content := diskstore.CheckOptions{Content: true}
			wantFindings(t, "check of content", checked(t, s, content), c.thorough)

			report, err := s.Repair(t.Context(), diskstore.RepairOptions{CheckOptions: content})
			must(t, err)
			wantFindings(t, "repair", brief(s.Dir(), report.Findings), c.thorough)
			wantFindings(t, "not repaired", brief(s.Dir(), check.Left(report.Findings)), c.left)
			wantFindings(t, "left", checked(t, s, content), c.left)
			if got := tags(t, s); len(got) != 2 {
				t.Errorf("got names %v, want both", got)
			}
			report, err = s.Repair(t.Context(), diskstore.RepairOptions{CheckOptions: content, DropIncomplete: true})
			must(t, err)
			wantFindings(t, "not repaired when images are dropped", brief(s.Dir(), check.Left(report.Findings)), []string{})
			wantFindings(t, "left when images are dropped", checked(t, s, content), []string{})
			if got := tags(t, s); len(got) == 1 != c.gone {
				t.Errorf("got names %v, want app gone: %t", got, c.gone)
			}
			if diff := cmp.Diff(whole(t, s.Dir()), before); diff != "" {
				t.Errorf("all files, wherever they are now (-after +before):\n%s", diff)
			}
			intact(t, s)
		})
	}
}

// whole returns all files of a store but the records, by their places in the
// store, with their content; also those that were moved out of the way.
func whole(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	roots, err := filepath.Glob(filepath.Join(dir, "removed-*"))
	must(t, err)
	for _, root := range append(roots, dir) {
		for _, sub := range []string{"blobs", "ingest"} {
			fsys := os.DirFS(root)
			if _, err := fs.Stat(fsys, sub); err != nil {
				continue
			}
			must(t, fs.WalkDir(fsys, sub, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				data, err := fs.ReadFile(fsys, path)
				files[path] = string(data)
				return err
			}))
		}
	}
	return files
}

// C2: a store that is open for reading only can be checked, and what interrupted
// work has left shows; it cannot be repaired.
func TestCheckReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	must(t, s.Close())
	write(t, filepath.Join(dir, "ingest", "blob-1"), "half")
	r, err := diskstore.Open(t.Context(), dir, &diskstore.Options{ReadOnly: true})
	must(t, err)
	defer r.Close() //nolint:errcheck // nothing was written
	wantFindings(t, "check", checked(t, r, diskstore.CheckOptions{Content: true}), []string{"stray file: ingest/blob-1"})
	_, err = r.Repair(t.Context(), diskstore.RepairOptions{})
	wants(t, err, jettison.ErrInvalidArgument, "reading only")
}

// C2: progress ends at all bytes; a context that ends stops the reading, and
// what was found before comes back.
func TestCheckProgressAndCancellation(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "one", "two", "three")
	must(t, err)
	var last diskstore.CheckProgress
	calls := 0
	opts := diskstore.CheckOptions{Content: true, Progress: func(p diskstore.CheckProgress) {
		if p.Done < last.Done || p.Total == 0 || p.Done > p.Total {
			t.Errorf("got progress %+v after %+v", p, last)
		}
		last, calls = p, calls+1
	}}
	wantFindings(t, "check", checked(t, s, opts), []string{})
	if last.Done != last.Total || calls < 4 {
		t.Errorf("got %d calls, the last %+v; want an end", calls, last)
	}
	for _, content := range []string{"one", "two", "three"} {
		must(t, os.Truncate(blobPath(s.Dir(), content), 1))
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	opts.Progress = func(diskstore.CheckProgress) {
		if calls++; calls == 6 {
			cancel()
		}
	}
	findings, err := s.Check(ctx, opts)
	wants(t, err, jettison.ErrUnavailable, "canceled")
	if len(findings) == 0 || len(findings) > 2 {
		t.Errorf("got %v, want what was found before", findings)
	}
}

// Content that goes while a check looks at the rest is neither missing nor
// stray, even when nothing tells of it any more.
func TestCheckWhileContentGoes(t *testing.T) {
	s := open(t, t.TempDir())
	layers := make([]string, diskstore.ClearLimit)
	for i := range layers {
		layers[i] = fmt.Sprint("layer ", i)
	}
	for name, layers := range map[string][]string{"big": layers, "app": {"layer"}} {
		_, err := load(t.Context(), s, name, layers...)
		must(t, err)
	}
	gone := false
	opts := diskstore.CheckOptions{Content: true, Progress: func(diskstore.CheckProgress) {
		if !gone {
			gone = true
			must(t, remove(t.Context(), s, "big"))
			_, err := load(t.Context(), s, "web", "layer") // which clears the marks
			must(t, err)
		}
	}}
	wantFindings(t, "check", checked(t, s, opts), []string{})
	if len(marks(t, s)) > 0 {
		t.Error("the marks are still there, so this test shows nothing")
	}
}
