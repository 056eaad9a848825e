package ocilayout

import (
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// NotLayoutError says that a directory is no OCI image layout, or one of a
// version that this package does not know. Its class is InvalidArgument.
type NotLayoutError struct {
	// Dir is the path that was to be a layout.
	Dir string
	// Reason says what it is instead.
	Reason string
}

// Error names the directory and what is wrong with it.
func (e *NotLayoutError) Error() string { return e.Dir + " is not an OCI image layout: " + e.Reason }

// InvalidParameter marks the error as of class InvalidArgument.
func (e *NotLayoutError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *NotLayoutError) Is(target error) bool { return target == class.InvalidArgument }

// IndexError says that index.json cannot be understood. Nothing is changed
// then. Its class is Internal (rule E3).
type IndexError struct {
	// Path is the file.
	Path string
	// Err says what is wrong with it.
	Err error
}

// Error names the file, what is wrong with it and what to do.
func (e *IndexError) Error() string {
	return fmt.Sprintf("%s is damaged: %v; restore it from a copy, or write it anew with the tool that made the layout", e.Path, e.Err)
}

// Unwrap returns Err.
func (e *IndexError) Unwrap() error { return e.Err }

// System marks the error as of class Internal.
func (e *IndexError) System() {}

// Is makes the error match the sentinel of its class.
func (e *IndexError) Is(target error) bool { return target == class.Internal }

// BlobError says that a blob which the layout names is missing, altered, too
// large or of a sort that is not known. It concerns the images that need the
// blob, and no other. Its class is Internal (rule E3).
type BlobError struct {
	// Digest names the blob.
	Digest digest.Digest
	// Path is the file, or empty when the digest leads to none.
	Path string
	// Err says what is wrong. For a file that is missing it wraps
	// [fs.ErrNotExist].
	Err error
}

// Error names the file, what is wrong with it and what to do.
func (e *BlobError) Error() string {
	what := e.Path
	if what == "" {
		what = "blob " + e.Digest.String()
	}
	return fmt.Sprintf("%s: %v; copy the image into the layout again, or delete it", what, e.Err)
}

// Unwrap returns what is wrong.
func (e *BlobError) Unwrap() error { return e.Err }

// System marks the error as of class Internal.
func (e *BlobError) System() {}

// Is makes the error match the sentinel of its class.
func (e *BlobError) Is(target error) bool { return target == class.Internal }

// LockedError says that another program of this kind changes the layout. Its
// class is Unavailable.
type LockedError struct {
	// Dir is the layout.
	Dir string
	// Holder says who holds the lock, as far as it is known.
	Holder string
}

// Error names the layout and who holds it.
func (e *LockedError) Error() string {
	text := e.Dir + " is being changed by another process"
	if e.Holder != "" {
		text += " (" + e.Holder + ")"
	}
	return text
}

// Unavailable marks the error as of class Unavailable.
func (e *LockedError) Unavailable() {}

// Is makes the error match the sentinel of its class.
func (e *LockedError) Is(target error) bool { return target == class.Unavailable }

// systemError gives an error of the operating system its class. It names the
// path already.
func systemError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return class.Wrap(class.NotFound, err)
	}
	return class.Wrap(class.Unavailable, err)
}
