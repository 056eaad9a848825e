package diskstore

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
)

// blobs is the part of a store that lies in files. Every path that comes from a
// digest goes through path, and every change through fs.
type blobs struct {
	dir string
	fs  vfs.FS
	// made are the directories that makeDir has made, in that order.
	made []string
}

// algorithms are those whose digests a store takes.
func algorithms() []digest.Algorithm {
	return []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512}
}

// path is where content lies. A digest that is not well formed has none, so
// that no path leads out of the store.
func (b *blobs) path(content digest.Digest) (string, error) {
	if err := content.Validate(); err != nil {
		return "", class.Errorf(class.InvalidArgument, "invalid digest %q: %w", content, err)
	}
	return filepath.Join(b.dir, "blobs", content.Algorithm().String(), content.Encoded()), nil
}

func (b *blobs) ingestDir() string { return filepath.Join(b.dir, "ingest") }

// dirs are the directories of the store, each after the one it lies in.
func (b *blobs) dirs() []string {
	root := filepath.Join(b.dir, "blobs")
	dirs := []string{b.ingestDir(), root}
	for _, alg := range algorithms() {
		dirs = append(dirs, filepath.Join(root, alg.String()))
	}
	return dirs
}

// makeDirs makes the directories of the store that are missing.
func (b *blobs) makeDirs() error {
	for _, dir := range b.dirs() {
		if err := b.makeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a directory, and those that it lies in, durably. One that is
// there is no error; something else in its place is.
func (b *blobs) makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return class.Errorf(class.InvalidArgument, "%s is not a directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return unavailable(err)
	}
	if err := b.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	err = b.fs.Mkdir(dir, 0o700)
	if !errors.Is(err, fs.ErrExist) { // it is ours, even if the error came late
		b.made = append(b.made, dir)
		if err != nil {
			return unavailable(err)
		}
	}
	return b.syncDir(filepath.Dir(dir))
}

// settle makes durable that the directories of the store are there, whoever made
// them: it may have been a process that died before it could.
func (b *blobs) settle() error {
	if err := b.syncDir(filepath.Join(b.dir, "blobs")); err != nil {
		return err
	}
	return b.syncDir(b.dir)
}

// settleAbove does the same for the directory of the store and those that it
// lies in. Those are not ours, and their file systems may refuse.
func (b *blobs) settleAbove() {
	for dir := b.dir; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		_ = b.syncDir(filepath.Dir(dir))
	}
}

// removeMade removes the directories that makeDir has made, from the last one to
// the first in which something is.
func (b *blobs) removeMade() {
	for n := len(b.made); n > 0; n = len(b.made) {
		if err := b.remove(b.made[n-1]); err != nil {
			return // an empty directory can stay
		}
		b.made = b.made[:n-1]
	}
}

// none says whether the directories of the store are missing.
func (b *blobs) none() bool {
	for _, dir := range b.dirs() {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// any returns the path of some content, or "" when there is none.
func (b *blobs) any() (string, error) {
	root := filepath.Join(b.dir, "blobs")
	dirs, err := os.ReadDir(root)
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(root, dir.Name()))
		if err != nil {
			return "", unavailable(err)
		}
		for _, entry := range entries {
			if !entry.IsDir() {
				return filepath.Join(root, dir.Name(), entry.Name()), nil
			}
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // makeDirs will say
		err = nil
	}
	return "", unavailable(err)
}

// place renames a temporary file to where its content belongs.
func (b *blobs) place(temp string, content digest.Digest) error {
	path, err := b.path(content)
	if err != nil {
		return err
	}
	return unavailable(b.fs.Rename(temp, path))
}

// remove removes a file. One that is not there is no error.
func (b *blobs) remove(path string) error {
	if err := b.fs.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return nil
}

// sync makes durable that the files of these contents are there, or are gone.
func (b *blobs) sync(contents []digest.Digest) error {
	dirs := make(map[string]bool)
	for _, content := range contents {
		if path, err := b.path(content); err == nil { // what has no path has no file
			dirs[filepath.Dir(path)] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := b.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable.
func (b *blobs) syncDir(dir string) error { return unavailable(b.fs.SyncDir(dir)) }

// The kinds of temporary files, which begin their names.
const (
	tempBlob    = "blob"
	tempArchive = "archive"
)

// create makes a temporary file.
func (b *blobs) create(kind string) (*tempFile, error) {
	f, err := b.fs.CreateTemp(b.ingestDir(), kind+"-*")
	if err != nil {
		return nil, unavailable(err)
	}
	return &tempFile{blobs: b, file: f}, nil
}

// A tempFile is content that is being written.
type tempFile struct {
	blobs *blobs
	file  vfs.File
}

func (t *tempFile) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	return n, unavailable(err)
}

// finish makes the bytes durable and closes the file.
func (t *tempFile) finish() error {
	err := t.file.Sync()
	if closing := t.file.Close(); err == nil {
		err = closing
	}
	return unavailable(err)
}

// discard closes and removes the file.
func (t *tempFile) discard() error {
	_ = t.file.Close() // may be closed; its bytes do not matter
	return t.blobs.remove(t.file.Name())
}

// unavailable gives an error of the file system its class: with space or
// rights the same call may succeed later, but not below a file. The error says
// what was done to which path.
func unavailable(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return class.Wrap(class.InvalidArgument, err)
	}
	return vfs.Unavailable(err)
}
