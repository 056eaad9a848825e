//go:build !windows && !plan9 && !solaris && !aix && !android

package ocilayout

import (
	"os"
	"syscall"

	"github.com/pkg/errors"
)

// tryLock makes the lock file and locks it. Whoever held it may have removed the
// file meanwhile: a lock on a file without a name is worth nothing. A link is
// refused, for it may lead to a file that is not ours.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644) //nolint:gosec // others may read who holds the lock
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errHeld
	} else if err == nil && !isNamed(file, path) {
		err = errHeld
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return file, nil
}

func isNamed(file *os.File, path string) bool {
	named, err := os.Stat(path)
	if err != nil {
		return false
	}
	locked, err := file.Stat()
	return err == nil && os.SameFile(named, locked)
}

// release removes the lock file and ends the lock.
func release(file *os.File, path string) {
	_ = os.Remove(path) // one that stays does no harm
	_ = file.Close()    // nothing was written that matters
}
