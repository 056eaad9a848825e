package etcdkv

import (
	"context"
	"fmt"
	"strings"

	"github.com/pkg/errors"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jettison-oci/jettison/internal/class"
)

// These never leave the package.
var (
	errOvertaken = errors.New("overtaken by another update")
	errNotMade   = errors.New("the update has not been made so far")
)

// An UnknownError says that a commit was sent and that nobody could say, as long
// as Options.CommitTimeout, what became of it: either all of it has happened, or
// nothing has and nothing will once the store has been changed again. Its class is
// Unavailable.
type UnknownError struct {
	// Err is the last error.
	Err error
}

// unknown is the error of a commit that could not be found out about. An error has one
// class, so of one that has another only the text stays.
func unknown(err error) error {
	if !class.Is(err, class.Unavailable) {
		err = errors.New(err.Error())
	}
	return &UnknownError{Err: err}
}

// Error says what is not known, and why.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("etcd: whether the update was made is not known; look at the store before trying again: %v", e.Err)
}

// Unwrap returns Err.
func (e *UnknownError) Unwrap() error { return e.Err }

// Is says whether target is the class Unavailable.
func (e *UnknownError) Is(target error) bool { return target == class.Unavailable }

// Unavailable marks the class.
func (e *UnknownError) Unavailable() {}

// A CompactedError says that a transaction has lasted so long that etcd has
// compacted its history beyond the state that the transaction reads. A new one
// reads the present state. Its class is Unavailable.
type CompactedError struct {
	// Revision is that of the state.
	Revision int64
}

// Error names the revision.
func (e *CompactedError) Error() string {
	return fmt.Sprintf("etcd: the transaction has lasted too long: the state that it reads, of revision %d, has been compacted away; try again", e.Revision)
}

// Is says whether target is the class Unavailable.
func (e *CompactedError) Is(target error) bool { return target == class.Unavailable }

// Unavailable marks the class.
func (e *CompactedError) Unavailable() {}

// A LimitError says that the server takes only smaller requests than this package
// makes. Its class is InvalidArgument.
type LimitError struct {
	// Flag is the one by which the server's limit is set.
	Flag string
	// Err is the server's error.
	Err error
}

// Error names the flag and what this package needs.
func (e *LimitError) Error() string {
	return fmt.Sprintf("etcd: the server's %s is too low for this store; it must not be below etcd's default: %v", e.Flag, e.Err)
}

// Unwrap returns Err.
func (e *LimitError) Unwrap() error { return e.Err }

// Is says whether target is the class InvalidArgument.
func (e *LimitError) Is(target error) bool { return target == class.InvalidArgument }

// InvalidParameter marks the class.
func (e *LimitError) InvalidParameter() {}

// failed gives an error of the client its class, and says what was being done. The
// revision is the one that was read, or zero.
func failed(doing string, revision int64, err error) error {
	err = native(err)
	switch {
	case errors.Is(err, rpctypes.ErrCompacted):
		return &CompactedError{Revision: revision}
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return &LimitError{Flag: "--max-txn-ops", Err: err}
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return &LimitError{Flag: "--max-request-bytes", Err: err}
	}
	return class.Errorf(classOf(err), "etcd: %s: %w", doing, err)
}

// classOf is the class of an error of the client. A server that may not be asked,
// or has no room, is Unavailable like one that is not there: what was asked may be
// done later.
func classOf(err error) error {
	switch codeOf(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.ResourceExhausted,
		codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return class.Unavailable
	case codes.InvalidArgument:
		if isLogin(err) {
			return class.Unavailable
		}
		return class.Internal
	default:
		return class.Internal
	}
}

// isLogin reports whether the server refuses who asks. Its codes for that differ.
func isLogin(err error) bool {
	return errors.Is(err, rpctypes.ErrAuthFailed) || errors.Is(err, rpctypes.ErrUserEmpty) ||
		errors.Is(err, rpctypes.ErrAuthOldRevision) || errors.Is(err, rpctypes.ErrInvalidAuthToken)
}

// refused reports whether an error says for certain that nothing was done, or is
// [rpctypes.ErrNoSpace], after which it is no use to try again.
func refused(err error) bool {
	switch codeOf(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition,
		codes.NotFound, codes.OutOfRange, codes.Unimplemented:
		return true
	case codes.ResourceExhausted:
		return errors.As(err, new(rpctypes.EtcdError)) // a connection may be cut with this code too
	default:
		return false
	}
}

// tooLarge reports whether a request was so much larger than the server takes that not
// even etcd saw it. Its transport says so with a code that has other meanings. A
// client could say the same of an answer, but those to transactions are small.
func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "received message larger than max")
}

// native returns the error of a context for that of a server of which the context,
// which has the client's deadline, has ended: the server says no more than its text.
func native(err error) error {
	answer, ok := status.FromError(err)
	if !ok || answer.Code() != codes.Unknown {
		return err
	}
	for _, ended := range []error{context.DeadlineExceeded, context.Canceled} {
		if answer.Message() == ended.Error() {
			return ended
		}
	}
	return err
}

func codeOf(err error) codes.Code {
	var server rpctypes.EtcdError
	err = native(err)
	switch {
	case errors.As(err, &server):
		return server.Code()
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return status.Code(err)
}
