package boltkv

import (
	"os"
	"syscall"
)

// A pin is a shared lock on one byte far beyond the end of a file, a byte for
// each commit. The lock belongs to the open file, so it ends with a process that
// is killed; it does not meet bbolt's, which is of another kind.
const pinBase = 1 << 61

// Commands of fcntl for locks that belong to an open file.
const (
	getLock = 36
	setLock = 37
)

// pin asks whoever writes to the file to leave the pages of a commit as they
// are, until unpin.
func pin(file *os.File, txid uint64) error {
	lock := pinLock(syscall.F_RDLCK, txid, txid)
	return os.NewSyscallError("fcntl", syscall.FcntlFlock(file.Fd(), setLock, &lock))
}

// unpin ends the pins of a file that is open.
func unpin(file *os.File) {
	lock := pinLock(syscall.F_UNLCK, 0, maxCommit)
	_ = syscall.FcntlFlock(file.Fd(), setLock, &lock) // there is nothing to fail
}

// isPinned reports whether any commit from one to another is pinned.
func isPinned(file *os.File, from, to uint64) bool {
	lock := pinLock(syscall.F_WRLCK, from, to)
	err := syscall.FcntlFlock(file.Fd(), getLock, &lock)
	return err == nil && lock.Type != syscall.F_UNLCK
}

func pinLock(kind int16, from, to uint64) syscall.Flock_t {
	return syscall.Flock_t{Type: kind, Start: pinBase + int64(from), Len: int64(to - from + 1)} //nolint:gosec // at most maxCommit
}
