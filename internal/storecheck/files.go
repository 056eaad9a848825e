package storecheck

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/kv/boltkv"
)

// Store looks at a store on disk that nobody has open: at its records, at every
// file below its directory, and at every byte of its content. Open must have
// finished since the last crash: a file that nothing holds is wrong then.
func Store(ctx context.Context, dir string) (report *Report, err error) {
	db, err := boltkv.Open(ctx, filepath.Join(dir, "meta.db"), &boltkv.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if report, err = Records(ctx, db); err != nil {
		return nil, err
	}
	err = report.compareFiles(dir)
	slices.Sort(report.Problems)
	return report, err
}

// compareFiles makes sure that the files are those of the content that is
// held, and the one with the records.
func (r *Report) compareFiles(dir string) error {
	want := map[string]digest.Digest{"meta.db": ""}
	for content := range r.sizes {
		want[path.Join("blobs", content.Algorithm().String(), content.Encoded())] = content
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(path, "removed-") && entry.IsDir() {
			return fs.SkipDir // what a repair has taken out
		}
		if err != nil || entry.IsDir() {
			return err
		}
		content, wanted := want[path]
		delete(want, path)
		switch {
		case !wanted:
			r.Problems = append(r.Problems, "file "+path+" belongs to nothing")
		case content != "":
			return r.compareContent(filepath.Join(dir, path), content)
		}
		return nil
	})
	for path := range want {
		r.Problems = append(r.Problems, "file "+path+" is missing")
	}
	return err
}

func (r *Report) compareContent(path string, want digest.Digest) error {
	data, err := os.ReadFile(path) //nolint:gosec // of a test's store
	if err != nil {
		return err
	}
	if got := want.Algorithm().FromBytes(data); got != want || int64(len(data)) != r.sizes[want] {
		r.Problems = append(r.Problems, "the file of content "+want.String()+" is altered")
	}
	return nil
}
