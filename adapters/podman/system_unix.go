//go:build unix

package podman

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lives reports whether there is a process with this number, whoever owns it.
func lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || err == syscall.EPERM
}

// writable makes sure that this process may change what is in the directory.
func writable(dir string) error { return unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) }

// sameDevice reports whether two paths lie in one file system.
func sameDevice(a, b string) bool {
	var first, second unix.Stat_t
	return unix.Stat(a, &first) == nil && unix.Stat(b, &second) == nil && first.Dev == second.Dev
}
