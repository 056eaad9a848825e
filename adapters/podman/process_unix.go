//go:build unix

package podman

import "syscall"

// lives reports whether there is a process with this number, whoever owns it.
func lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || err == syscall.EPERM
}
