package podman

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/pkg/errors"
	"go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// NotStoreError says that a directory holds no store, or none that can be
// opened as asked. Nothing was made in it. Its class is InvalidArgument.
type NotStoreError struct {
	// Dir is the path that was to be the root of a store.
	Dir string
	// Reason says what it is instead.
	Reason string
}

// Error names the directory and what is wrong with it.
func (e *NotStoreError) Error() string {
	return e.Dir + " cannot be opened as a containers/storage store: " + e.Reason
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *NotStoreError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *NotStoreError) Is(target error) bool { return target == class.InvalidArgument }

// LockedError says that another process, or another goroutine of this one,
// keeps a lock of the store for longer than [Options.LockTimeout]. Nothing has
// changed. Its class is Unavailable.
type LockedError struct {
	// Path is the lock file.
	Path string
	// Holder says who holds it, as far as it is known: "process 4711 (podman)".
	Holder string
}

// Error names the lock and who holds it.
func (e *LockedError) Error() string {
	text := e.Path + " is locked"
	if e.Holder != "" {
		text += " by " + e.Holder
	}
	return text
}

// Unavailable marks the error as of class Unavailable.
func (e *LockedError) Unavailable() {}

// Is makes the error match the sentinel of its class.
func (e *LockedError) Is(target error) bool { return target == class.Unavailable }

// IncompleteError says that the store has layers that a pull, a build or a
// deletion left half made or half removed. The library removes them for whoever
// opens the store next, so this package opens it only after that. Nothing has
// changed. Its class is Conflict.
type IncompleteError struct {
	// Path is the file with the records of the layers.
	Path string
	// Layers are the storage IDs of the incomplete layers, in the order of that
	// file.
	Layers []string
}

// Error names the layers and what to do about them.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%s has incomplete layers, which an interrupted program left: %s; podman removes them with the next command that it runs",
		e.Path, strings.Join(e.Layers, ", "))
}

// Conflict marks the error as of class Conflict.
func (e *IncompleteError) Conflict() {}

// Is makes the error match the sentinel of its class.
func (e *IncompleteError) Is(target error) bool { return target == class.Conflict }

// ContainerError says that a container cannot be removed. Its image is still in
// use. Its class is Conflict.
type ContainerError struct {
	// Container is the one that stays.
	Container jettison.Container
	// Err says why, and what to do.
	Err error
}

// Error names the container and says why it stays.
func (e *ContainerError) Error() string {
	name := e.Container.ID
	if e.Container.Name != "" {
		name = e.Container.Name + " (" + conflict.Short(e.Container.ID) + ")"
	}
	return "container " + name + " stays: " + e.Err.Error()
}

// Conflict marks the error as of class Conflict. Err is not unwrapped, so that it
// has no other.
func (e *ContainerError) Conflict() {}

// Is makes the error match the sentinel of its class.
func (e *ContainerError) Is(target error) bool { return target == class.Conflict }

// storageError gives an error of the library its class.
func storageError(err error) error {
	switch {
	case err == nil:
		return nil
	case isUnknown(err):
		return class.Wrap(class.NotFound, err)
	case errors.Is(err, storage.ErrImageUsedByContainer), errors.Is(err, storage.ErrLayerUsedByContainer),
		errors.Is(err, storage.ErrStoreIsReadOnly), errors.Is(err, storage.ErrLayerHasChildren):
		return class.Wrap(class.Conflict, err)
	case isSystem(err), errors.Is(err, drivers.ErrNotSupported), errors.Is(err, drivers.ErrPrerequisites),
		errors.Is(err, drivers.ErrIncompatibleFS):
		return class.Wrap(class.Unavailable, err)
	default: // a record that cannot be read
		return class.Wrap(class.Internal, err)
	}
}

// isSystem reports whether err comes from the operating system.
func isSystem(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &link) || errors.As(err, &number)
}

// isUnknown reports whether err says that what was named is not in the store.
func isUnknown(err error) bool {
	for _, unknown := range []error{
		storage.ErrImageUnknown, storage.ErrNotAnImage,
		storage.ErrContainerUnknown, storage.ErrNotAContainer,
		storage.ErrLayerUnknown, storage.ErrNotALayer,
	} {
		if errors.Is(err, unknown) {
			return true
		}
	}
	return false
}

// systemError gives an error of the operating system its class. It names the
// path already.
func systemError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return class.Wrap(class.NotFound, err)
	}
	return class.Wrap(class.Unavailable, err)
}
