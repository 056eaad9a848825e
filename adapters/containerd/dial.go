package containerd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/jettison-oci/jettison/internal/class"
)

// look connects to a socket once, for gRPC tries again until its time is up and
// then says less. The error is of class InvalidArgument when there is something
// else than a socket, and else of class Unavailable.
func look(ctx context.Context, address string) error {
	if info, err := os.Stat(address); err == nil && info.Mode().Type() != os.ModeSocket {
		return class.Errorf(class.InvalidArgument, "containerd: connect to %s: this is not a socket", address)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", address)
	if failure, ok := errors.AsType[*net.OpError](err); ok {
		err = failure.Err // the rest of it is the path again
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return class.Errorf(class.Unavailable, "containerd: connect to %s: no daemon listens there: %w", address, err)
	case err != nil:
		return class.Errorf(class.Unavailable, "containerd: connect to %s: %w", address, err)
	}
	_ = conn.Close() // nothing was said
	return nil
}
