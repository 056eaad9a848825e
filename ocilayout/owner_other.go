//go:build !unix

package ocilayout

import (
	"io/fs"
	"os"
)

// keepOwner does nothing where a file has no owner as Unix knows it.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
