package jettison

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// The classes of error (rule E1). Every error of this module, and every error
// that a [Service] returns, is of exactly one of them: [errors.Is] tells which.
// The marker methods of containerd's and moby's errdefs agree. A store of your own
// makes an error of a class by wrapping it with %w.
var (
	// ErrInvalidArgument says that the call can never succeed as it is. Marker: InvalidParameter.
	ErrInvalidArgument = class.InvalidArgument
	// ErrNotFound says that what was named is not there. Marker: NotFound.
	ErrNotFound = class.NotFound
	// ErrConflict says that the state of the store forbids it. A refused
	// deletion is a [*conflict.Error], which says everything that stands in
	// the way. Marker: Conflict.
	ErrConflict = class.Conflict
	// ErrUnavailable says that the same call may succeed later: the store is
	// locked or unreachable, or the context ended. The context's error is
	// wrapped. Marker: Unavailable.
	ErrUnavailable = class.Unavailable
	// ErrInternal says that a record is damaged or a store misbehaves; the
	// text names the key or file. Marker: System.
	ErrInternal = class.Internal
)

// isNotFound reports whether err is of class NotFound, be it told by our
// sentinel or by the marker of another project's store.
func isNotFound(err error) bool { return class.Is(err, class.NotFound) }

// noSuchImage is the error for an image that is not there (rule R7), in the
// words that clients of engines know.
func noSuchImage(name string) error {
	return class.Errorf(class.NotFound, "No such image: %s", name)
}

// AmbiguousError says that a prefix fits the IDs of several images (rule R3).
// Its class is InvalidArgument.
type AmbiguousError struct {
	// Prefix is the text as typed.
	Prefix string
	// Candidates are the IDs that begin with it, sorted.
	Candidates []digest.Digest
}

// Error names the prefix and the candidates.
func (e *AmbiguousError) Error() string {
	names := make([]string, len(e.Candidates))
	for i, id := range e.Candidates {
		names[i] = id.String()
	}
	return fmt.Sprintf("image ID prefix %q is ambiguous, it fits: %s", e.Prefix, strings.Join(names, ", "))
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *AmbiguousError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *AmbiguousError) Is(target error) bool { return target == ErrInvalidArgument }
