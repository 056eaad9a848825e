//go:build windows || plan9 || solaris || aix || android

package ocilayout

import (
	"io/fs"
	"os"

	"github.com/pkg/errors"
)

// tryLock makes the lock file. Where files cannot be locked, that it is there is
// the lock; after a crash it must be removed by hand.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		err = errHeld
	}
	return file, err
}

// release removes the lock file.
func release(file *os.File, path string) {
	_ = file.Close() // nothing was written that matters
	_ = os.Remove(path)
}
