//go:build !unix

package podman

// lives assumes the worst: where there are no signals, every process lives.
func lives(int) bool { return true }

// writable leaves it to the first change to find out.
func writable(string) error { return nil }

// sameDevice is asked where the driver overlay mounts something, which is on Linux.
func sameDevice(string, string) bool { return false }
