package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/jettison-oci/jettison/internal/class"
)

// Unavailable gives an error of the file system its class: with space or rights
// the same call may succeed later. It adds what to do for that (rule E3). An
// error that has a class already stays as it is.
func Unavailable(err error) error {
	if err != nil && class.Of(err) == nil {
		if advice := advice(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
	}
	return class.Wrap(class.Unavailable, err)
}

// advice is what to do about an error, or "" when that is not known.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space and try again"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only: nothing can be changed there"
	case errors.Is(err, fs.ErrPermission):
		return "look who owns it and what its mode and those of its directories allow"
	case errors.Is(err, syscall.EIO):
		return "the disk may be failing: look into the system's log"
	}
	return ""
}
