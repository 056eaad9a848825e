//go:build !windows && !plan9 && !solaris && !aix && !android

package boltkv

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pkg/errors"
)

// release closes a file that bbolt has locked and mapped, and lost. Closing is
// not enough: the mapping, which only bbolt could undo, keeps the lock alive.
func release(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // what is not locked need not be unlocked
	_ = file.Close()                                   // nothing was written that could be lost
}

// fill replaces an empty file by one that has its first pages. Its lock keeps
// others from doing so too.
func (db *DB) fill() error {
	path, err := filepath.EvalSymlinks(db.path)
	if err != nil {
		return err
	}
	if db.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return err
	}
	defer db.file.Close() //nolint:errcheck // nothing was written
	err = syscall.Flock(int(db.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errAgain
	}
	if err != nil {
		return os.NewSyscallError("flock", err)
	}
	if err := db.current(); err != nil {
		return err
	}
	if info, err := db.file.Stat(); err != nil || info.Size() > 0 {
		return err
	}
	return db.create(path, db.fs.Rename)
}

// writeNote says beside the file who has it open for writing. Whoever reads the
// note believes it as long as it is locked, so it is written and locked before
// it gets its name. One that cannot be written leaves the holder unknown.
func (db *DB) writeNote() *note {
	text, _ := json.Marshal(noteText{Holder: *selfHolder(), Token: rand.Text()}) // which is plain data
	path := db.realPath()
	file, err := db.fs.CreateTemp(filepath.Dir(path), filepath.Base(path)+unfinished+"*")
	if err != nil {
		return nil
	}
	if info, err := db.file.Stat(); err == nil {
		_ = file.Raw().Chmod(info.Mode().Perm()) // for those who may read the file
	}
	if _, err = file.Write(append(text, '\n')); err == nil {
		err = syscall.Flock(int(file.Raw().Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		err = db.fs.Rename(file.Name(), path+noteSuffix)
	}
	if err != nil {
		_ = db.fs.Remove(file.Name()) // the next Open tries again
		_ = file.Close()              // nobody misses it
		return nil
	}
	return &note{file: file, path: path + noteSuffix}
}

// removeNote ends what writeNote began. It comes before the file is unlocked:
// later the note could be another's.
func (db *DB) removeNote(n *note) {
	if n == nil {
		return
	}
	_ = db.fs.Remove(n.path) // without its lock it counts for nothing
	_ = n.file.Close()       // nothing is needed of it
}

func (db *DB) hasWriter() bool {
	text, known := db.readNote()
	return text != "" || !known
}

// readNote returns what the note says, or nothing when there is none, or only
// one whose writer has ended. Known is false when that cannot be told.
func (db *DB) readNote() (text string, known bool) {
	file, err := os.Open(db.realPath() + noteSuffix)
	if err != nil {
		return "", errors.Is(err, fs.ErrNotExist)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", err == nil
	}
	all, err := io.ReadAll(io.LimitReader(file, 4096))
	return string(all), err == nil && len(all) > 0
}
