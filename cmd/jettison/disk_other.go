//go:build !(linux || darwin || freebsd)

package main

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/jettison-oci/jettison"
)

// diskUsage tells how full the file system is that has the directory.
func diskUsage(string) (jettison.DiskUsage, error) {
	return jettison.DiskUsage{}, fmt.Errorf("on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
