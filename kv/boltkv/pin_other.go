//go:build !linux

package boltkv

import (
	"os"

	"github.com/pkg/errors"
)

// pin fails: here no lock both belongs to an open file and does not meet bbolt's
// own.
func pin(*os.File, uint64) error { return errors.New("not supported") }

func unpin(*os.File) {}

func isPinned(*os.File, uint64, uint64) bool { return false }
