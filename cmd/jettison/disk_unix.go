//go:build linux || darwin || freebsd

package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/jettison-oci/jettison"
)

// diskUsage tells how full the file system is that has the directory. As in
// df, what only root may fill counts neither as free nor as part of the total.
func diskUsage(dir string) (jettison.DiskUsage, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return jettison.DiskUsage{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	block := int64(fs.Bsize)
	used := int64(fs.Blocks-fs.Bfree) * block
	return jettison.DiskUsage{Used: used, Total: used + int64(fs.Bavail)*block}, nil
}
