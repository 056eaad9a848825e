//go:build !windows && !plan9 && !solaris && !aix && !android

package boltkv

import (
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
func (db *DB) fill(opts *Options) error {
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
	return db.create(opts, path, db.fs.Rename)
}
