package containerd

import (
	"context"
	"errors"
	"io/fs"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc/status"

	"github.com/jettison-oci/jettison/internal/class"
)

// failed gives an error of containerd the class that it has here, and says what
// was being done. A nil error stays nil.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, isGRPC := status.FromError(err); isGRPC { // some of the client's calls leave it so
		err = errgrpc.ToNative(err)
	}
	return class.Errorf(classOf(err), "containerd: %s: %w", doing, err)
}

// classOf is the class of an error of containerd. What has none is Internal.
func classOf(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return class.Unavailable
	case errdefs.IsNotFound(err):
		return class.NotFound
	case errdefs.IsInvalidArgument(err), errdefs.IsOutOfRange(err), errdefs.IsNotImplemented(err):
		return class.InvalidArgument
	case errdefs.IsAlreadyExists(err), errdefs.IsFailedPrecondition(err), errdefs.IsConflict(err):
		return class.Conflict
	case errdefs.IsUnavailable(err), errdefs.IsAborted(err), errdefs.IsCanceled(err), errdefs.IsDeadlineExceeded(err),
		errdefs.IsResourceExhausted(err), errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err),
		errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return class.Unavailable
	default:
		return class.Internal
	}
}

// isMissing reports whether containerd says that something is not there.
func isMissing(err error) bool { return errdefs.IsNotFound(err) }
