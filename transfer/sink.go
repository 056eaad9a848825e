package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
)

// A sink takes the files of an archive or a directory, each once.
type sink interface {
	// put writes a file of size bytes, which is what r holds. Directories that
	// the slash-separated name has are made.
	put(name string, size int64, r io.Reader) error
	// finish ends it after the last file.
	finish() error
}

// A tarSink writes a tar archive. All that could differ from one time to the
// next is left out: the same files make the same bytes.
type tarSink struct {
	w    *tar.Writer
	dirs map[string]bool
}

func newTarSink(w io.Writer) *tarSink {
	return &tarSink{w: tar.NewWriter(w), dirs: map[string]bool{".": true}}
}

func (s *tarSink) put(name string, size int64, r io.Reader) error {
	if err := s.makeDir(path.Dir(name)); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := s.w.WriteHeader(header); err != nil {
		return err
	}
	return copyExactly(s.w, r, size)
}

func (s *tarSink) makeDir(dir string) error {
	if s.dirs[dir] {
		return nil
	}
	if err := s.makeDir(path.Dir(dir)); err != nil {
		return err
	}
	s.dirs[dir] = true
	return s.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
}

func (s *tarSink) finish() error { return s.w.Close() }

// copyExactly copies r to w, and makes sure that it is as long as was said.
func copyExactly(w io.Writer, r io.Reader, size int64) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(r, size), make([]byte, bufferSize))
	if err != nil {
		return err
	}
	more, err := io.Copy(io.Discard, r) // also what verifies the content stands at its end
	if err == nil && n+more != size {
		err = class.Errorf(class.Internal, "has %d bytes, not %d", n+more, size)
	}
	return err
}

// A dirSink writes files to a directory of its own.
type dirSink struct{ dir string }

func (s dirSink) put(name string, size int64, r io.Reader) error {
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = copyExactly(f, r, size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// finish makes the names in the directories durable.
func (s dirSink) finish() error {
	return filepath.WalkDir(s.dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = vfs.OS{}.SyncDir(at)
		}
		return err
	})
}

// writeFile has fn write a file that then is at path, whole and on disk, or not
// at all. What is there and no regular file, such as a pipe, is written to.
func writeFile(ctx context.Context, path string, fn func(io.Writer) error) error {
	path, special, err := target(path)
	if err != nil {
		return err
	}
	if special {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return outputError(path, err)
		}
		return outputError(path, errors.Join(fn(f), f.Close()))
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return outputError(path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // not there once it has its name
	err = fn(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = vfs.OS{}.SyncDir(filepath.Dir(path))
	}
	return outputError(path, err)
}

// writeDirectory has fn write a directory that then is at path, whole and on
// disk, or not at all.
func writeDirectory(ctx context.Context, path string, fn func(sink) error) error {
	if err := wantNoDirectory(path); err != nil {
		return err
	}
	path = filepath.Clean(path)
	dir, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return outputError(path, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // not there once it has its name
	err = os.Chmod(dir, 0o755)
	if err == nil {
		err = fn(dirSink{dir})
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = renameDir(dir, path)
	}
	if err == nil {
		err = vfs.OS{}.SyncDir(filepath.Dir(path))
	}
	return outputError(path, err)
}

// renameDir renames a directory to path, where there may be an empty one.
func renameDir(dir, path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(dir, path)
}

// wantNoDirectory makes sure that a directory can be renamed to path.
func wantNoDirectory(path string) error {
	if path == "" {
		return class.Errorf(class.InvalidArgument, "the path to save to is empty")
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err == nil:
		return class.Errorf(class.Conflict, "%s is there already and not empty; copying adds to an image layout", path)
	default:
		return outputError(path, err)
	}
}

// target is the file that path leads to, and whether it is a pipe or the like.
func target(path string) (file string, special bool, err error) {
	if path == "" {
		return "", false, class.Errorf(class.InvalidArgument, "the path to save to is empty")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	if err != nil {
		return "", false, outputError(path, err)
	}
	if info.IsDir() {
		return "", false, class.Errorf(class.InvalidArgument, "%s is a directory; an archive is a file", path)
	}
	if !info.Mode().IsRegular() {
		return path, true, nil
	}
	file, err = filepath.EvalSymlinks(path) // what a link leads to is replaced, not the link
	return file, false, outputError(path, err)
}

// outputError gives an error of writing to path its class.
func outputError(path string, err error) error {
	switch has := class.Of(err); {
	case err == nil:
		return nil
	case has != nil:
		return class.Errorf(has, "cannot save to %s: %w", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return class.Errorf(class.NotFound, "cannot save to %s: there is no directory %s", path, filepath.Dir(path))
	default:
		return class.Errorf(class.Unavailable, "cannot save to %s: %w", path, err)
	}
}
