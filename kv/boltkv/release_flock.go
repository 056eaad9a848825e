//go:build !windows && !plan9 && !solaris && !aix && !android

package boltkv

import (
	"os"
	"syscall"
)

// release closes a file that bbolt has locked and mapped, and lost. Closing is
// not enough: the mapping, which only bbolt could undo, keeps the lock alive.
func release(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // what is not locked need not be unlocked
	_ = file.Close()                                   // nothing was written that could be lost
}
