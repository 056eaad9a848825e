package diskstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/kvstore"
)

// removedRecords is the file in which what was taken out of the records is kept.
const removedRecords = "records.jsonl"

// An aside is a directory beside those of the store to which a repair moves
// what it takes out. It is made when there is something.
type aside struct {
	files *blobs
	dir   string
	// kept says that the directory has what changes in the records.
	kept bool
	// moved has the paths from which something was moved, bytes their size.
	moved map[string]bool
	bytes int64
	// from and to are the directories out of which and into which something was
	// moved.
	from, to map[string]bool
}

func newAside(files *blobs) *aside {
	// Directories that a repair makes are not those that a failed Open removes.
	return &aside{
		files: &blobs{dir: files.dir, fs: files.fs}, moved: make(map[string]bool),
		from: make(map[string]bool), to: make(map[string]bool),
	}
}

// open makes the directory, if that has not been done. It is nobody else's:
// another repair may begin in the same second.
func (a *aside) open() error {
	if a.dir != "" {
		return nil
	}
	base := filepath.Join(a.files.dir, "removed-"+time.Now().UTC().Format("20060102T150405Z"))
	dir := base
	for n := 2; ; n++ {
		err := a.files.fs.Mkdir(dir, 0o700)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return unavailable(err)
		}
		dir = fmt.Sprintf("%s-%d", base, n)
	}
	a.dir = dir
	return a.files.syncDir(a.files.dir)
}

// A keptRecord is the JSON of an entry that a repair has changed, one a line.
// Values are in base 64.
type keptRecord struct {
	// Key is the key as text; KeyBytes stands in its place where it is none.
	Key      string `json:",omitempty"`
	KeyBytes []byte `json:",omitempty"`
	// Change is "removed", "replaced" or "added".
	Change string
	// Old and New are the values before and after.
	Old []byte `json:",omitempty"`
	New []byte `json:",omitempty"`
}

func keptRecordOf(change kvstore.Change) keptRecord {
	r := keptRecord{Change: "replaced", Old: change.Old, New: change.New}
	if utf8.Valid(change.Key) {
		r.Key = string(change.Key)
	} else {
		r.KeyBytes = change.Key
	}
	switch {
	case change.New == nil:
		r.Change = "removed"
	case change.Old == nil:
		r.Change = "added"
	}
	return r
}

// keep writes what is to change to a file, durably.
func (a *aside) keep(_ context.Context, changes []kvstore.Change) error {
	if err := a.open(); err != nil {
		return err
	}
	f, err := a.files.fs.CreateTemp(a.dir, removedRecords+"-*")
	if err != nil {
		return unavailable(err)
	}
	temp := &tempFile{blobs: a.files, file: f}
	err = writeRecords(temp, changes)
	if err == nil {
		err = temp.finish()
	}
	if err == nil {
		err = unavailable(a.files.fs.Rename(f.Name(), filepath.Join(a.dir, removedRecords)))
	}
	if err != nil {
		_ = temp.discard() // the first error says more
		return err
	}
	a.kept = true
	return a.files.syncDir(a.dir)
}

func writeRecords(w io.Writer, changes []kvstore.Change) error {
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	for _, change := range changes {
		if err := enc.Encode(keptRecordOf(change)); err != nil {
			return unavailable(err)
		}
	}
	return unavailable(buffered.Flush())
}

// move moves a file, or a directory with all that is in it, out of the store.
// It keeps its place among the others. One that is gone by now, to another
// repair, is no error.
func (a *aside) move(path string) error {
	rel, err := filepath.Rel(a.files.dir, path)
	if err != nil {
		return unavailable(err)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	if err := a.open(); err != nil {
		return err
	}
	to := filepath.Join(a.dir, rel)
	if err := a.files.makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	err = a.files.fs.Rename(path, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	a.moved[path] = true
	if info.Mode().IsRegular() {
		a.bytes += info.Size()
	}
	a.from[filepath.Dir(path)], a.to[filepath.Dir(to)] = true, true
	return nil
}

// sync makes durable what was moved: first where it is, then where it is no
// more, so that no power failure takes both names of a file.
func (a *aside) sync() error {
	for _, dirs := range []map[string]bool{a.to, a.from} {
		for _, dir := range slices.Sorted(maps.Keys(dirs)) {
			if err := a.files.syncDir(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// abandon removes the directory again if it has nothing. What is kept stays even
// when the records could not be changed: a failed commit may turn out to have
// happened.
func (a *aside) abandon() {
	if a.dir != "" && !a.kept {
		_ = a.files.remove(a.dir) // an empty directory can stay
	}
}
