//go:build unix

package ocilayout

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a new file the owner of the one that it replaces, where root
// changes the layout of somebody else.
func keepOwner(file *os.File, replaced fs.FileInfo) error {
	owner, ok := replaced.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
