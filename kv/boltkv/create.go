package boltkv

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"

	"github.com/jettison-oci/jettison/internal/class"
)

// unfinished stands between the name of a file and the digits that make the
// name under which it is created.
const unfinished = ".new-"

// IsUnfinished reports whether name is what Open calls a file that it creates,
// as long as the file is not whole, where that file is to be called of. A crash
// can leave one behind, in the same directory; the next Open that writes
// removes it.
func IsUnfinished(name, of string) bool {
	digits, found := strings.CutPrefix(name, of+unfinished)
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// errAgain says that a file is being created, replaced or removed by someone
// else just now.
var errAgain = errors.New("the file is changing")

// prepare makes sure that there is a file with its first pages. Bbolt would
// write them in place, and a crash or a full disk in the midst of that would
// leave a file that nobody can ever open.
func (db *DB) prepare() error {
	info, err := os.Stat(db.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Lstat(db.path); err == nil && info.Mode().Type() == fs.ModeSymlink {
			return class.Errorf(class.NotFound, "open %s: the link leads to no file", db.path)
		}
		return db.create(db.path, db.link)
	case err == nil && info.Size() == 0:
		return db.fill()
	}
	return nil // and if there is an error, bbolt meets it too
}

// create makes a file under another name, durably, and then publishes it as
// path. The name is made durable when the file is open: see settle.
func (db *DB) create(path string, publish func(temp, path string) error) error {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	file, err := db.fs.CreateTemp(dir, name+unfinished+"*")
	if err != nil {
		return db.rename(err)
	}
	defer db.fs.Remove(file.Name()) //nolint:errcheck // the next Open tries again
	err = db.guard(func() error {
		whole, err := bolt.Open(file.Name(), 0o600, &bolt.Options{
			OpenFile: func(string, int, fs.FileMode) (*os.File, error) { return file.Raw(), nil },
		})
		if err != nil {
			return err // bbolt has closed the file
		}
		return whole.Close()
	})
	if err == nil {
		err = publish(file.Name(), path)
	}
	return db.rename(err)
}

// rename makes an error of the system speak of the file that was asked for.
func (db *DB) rename(err error) error {
	var (
		pathError *fs.PathError
		linkError *os.LinkError
	)
	switch {
	case errors.As(err, &pathError):
		return &fs.PathError{Op: "create", Path: db.path, Err: pathError.Err}
	case errors.As(err, &linkError):
		return &fs.PathError{Op: "create", Path: db.path, Err: linkError.Err}
	}
	return err
}

// link gives a file its name, unless someone else has made a file of that name
// meanwhile; theirs is as good. A rename would take the file out of their
// hands.
func (db *DB) link(temp, path string) error {
	err := db.fs.Link(temp, path)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return errAgain // someone took it for what a crash had left
	}
	// A file system without hard links leaves no better way.
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return db.fs.Rename(temp, path)
}

// current is errAgain when the file that was opened and locked is no longer the
// one that has the name.
func (db *DB) current() error {
	named, err := os.Stat(db.path)
	if errors.Is(err, fs.ErrNotExist) {
		return errAgain
	}
	if err != nil {
		return err
	}
	locked, err := db.file.Stat()
	if err == nil && !os.SameFile(named, locked) {
		err = errAgain
	}
	return err
}

// removeUnfinished removes what crashes have left. Whoever is creating a file
// at this moment notices and finds that there is one.
func (db *DB) removeUnfinished() {
	path := db.realPath()
	dir, of := filepath.Dir(path), filepath.Base(path)
	entries, _ := os.ReadDir(dir) // what cannot be seen cannot be removed
	for _, entry := range entries {
		if IsUnfinished(entry.Name(), of) {
			_ = db.fs.Remove(filepath.Join(dir, entry.Name())) // it takes room, and does no other harm
		}
	}
}
