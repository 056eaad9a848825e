package boltkv

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// ErrReadOnly is wrapped by the error of Update on a DB that was opened
// read-only. Its class is InvalidArgument.
var ErrReadOnly = class.Errorf(class.InvalidArgument, "opened read-only")

// A LockedError says that a file is open for writing elsewhere: in another
// process, or in this one. Its class is Unavailable.
type LockedError struct {
	// Path is the file, as it was given to Open.
	Path string
	// Holder says who has it open, or is nil when that is not known.
	Holder *Holder
}

// Error names the file and who has it open.
func (e *LockedError) Error() string {
	switch {
	case e.Holder == nil:
		return e.Path + " is in use by another process, of which nothing is known"
	case e.Holder.isSelf():
		return fmt.Sprintf("%s is in use by this very process since %s", e.Path, e.Holder.since())
	}
	return fmt.Sprintf("%s is in use by %s", e.Path, e.Holder)
}

// Is says whether target is the class Unavailable.
func (e *LockedError) Is(target error) bool { return target == class.Unavailable }

// Unavailable marks the class.
func (e *LockedError) Unavailable() {}

// A BusyError says that a file could not be read because another process kept
// changing it: a commit came in between each time. Its class is Unavailable.
type BusyError struct {
	// Path is the file, as it was given to Open.
	Path string
}

// Error names the file and says what to do.
func (e *BusyError) Error() string {
	return e.Path + " is being changed faster than it can be read; try again"
}

// Is says whether target is the class Unavailable.
func (e *BusyError) Is(target error) bool { return target == class.Unavailable }

// Unavailable marks the class.
func (e *BusyError) Unavailable() {}

// A DamagedError says that a file is not what bbolt and this package write:
// damaged, cut short, or another program's (rule E3). Its class is Internal.
type DamagedError struct {
	// Path is the file, as it was given to Open.
	Path string
	// Err says what is wrong with it. It is bbolt's own where bbolt noticed.
	Err error
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged or not a store: %v; restore it from a copy, or move the whole store away and begin a new one", e.Path, e.Err)
}

// Unwrap returns Err.
func (e *DamagedError) Unwrap() error { return e.Err }

// Is says whether target is the class Internal.
func (e *DamagedError) Is(target error) bool { return target == class.Internal }

// System marks the class.
func (e *DamagedError) System() {}

// errCircle is what is wrong with a file whose pages lead back to each other.
var errCircle = errors.New("its pages lead in a circle")

func (db *DB) damaged(err error) error {
	return &DamagedError{Path: db.path, Err: err}
}

func isDamage(err error) bool {
	if err == nil {
		return false // nor allocate for each entry of a scan
	}
	var damage *DamagedError
	return errors.As(err, &damage)
}

// guard runs f, which calls bbolt and no function of a caller. Bbolt panics
// where a page makes no sense, and reading a page that the file does not hold
// is a fault; guard returns both as a *DamagedError.
func (db *DB) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer db.caught(&err)
	return f()
}

// caught, when deferred, turns a panic into an error.
func (db *DB) caught(err *error) {
	p := recover()
	if p == nil {
		return
	}
	var nonsense runtime.Error
	cause, ok := p.(error)
	switch {
	case !ok:
		cause = errors.Errorf("%v", p)
	case errors.As(cause, &nonsense):
		cause = &nonsenseError{nonsense}
	}
	*err = db.damaged(cause)
}

// A nonsenseError says in the user's words that bbolt stumbled over what a page
// holds, or over a page that is not there.
type nonsenseError struct{ stumble runtime.Error }

// Error implements error.
func (*nonsenseError) Error() string { return "its pages make no sense, or some are missing" }

// Unwrap returns what the runtime said.
func (e *nonsenseError) Unwrap() error { return e.stumble }

// touch reads a byte of each page that b lies in, so that a slice which reaches
// out of the file faults under a guard and not in the hands of the caller.
//
//go:noinline
func touch(b []byte) (sum byte) { //nolint:unparam // without a result the reads could be left out
	const smallestPage = 4096
	for i := 0; i < len(b); i += smallestPage {
		sum |= b[i]
	}
	if len(b) > 0 {
		sum |= b[len(b)-1]
	}
	return sum
}
