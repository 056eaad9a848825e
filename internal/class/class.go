// Package class gives every error of this module exactly one of five classes
// (rule E1).
//
// A class is a sentinel for [errors.Is]. An error made here also carries the
// marker method by which the errdefs packages of containerd and moby recognise
// the class, so that an engine's router maps it to a status without knowing
// this module. The package is internal; package jettison re-exports the
// sentinels.
package class

import (
	"context"
	"fmt"

	"github.com/pkg/errors"
)

// The five classes. Each is a sentinel: errors.Is(err, NotFound) holds for
// every error of that class.
var (
	// InvalidArgument says that the caller asked for something that can never be done.
	InvalidArgument error = invalidArgument{errors.New("invalid argument")}
	// NotFound says that what was named is not there.
	NotFound error = notFound{errors.New("not found")}
	// Conflict says that the present state forbids what was asked.
	Conflict error = conflict{errors.New("conflict")}
	// Unavailable says that the same call may succeed later.
	Unavailable error = unavailable{errors.New("unavailable")}
	// Internal says that something is damaged or broken.
	Internal error = internal{errors.New("internal error")}
)

type (
	invalidArgument struct{ error }
	notFound        struct{ error }
	conflict        struct{ error }
	unavailable     struct{ error }
	internal        struct{ error }
)

func (invalidArgument) InvalidParameter() {}
func (notFound) NotFound()                {}
func (conflict) Conflict()                {}
func (unavailable) Unavailable()          {}
func (internal) System()                  {}

func (invalidArgument) Is(target error) bool { return target == InvalidArgument }
func (notFound) Is(target error) bool        { return target == NotFound }
func (conflict) Is(target error) bool        { return target == Conflict }
func (unavailable) Is(target error) bool     { return target == Unavailable }
func (internal) Is(target error) bool        { return target == Internal }

func (e invalidArgument) Unwrap() error { return e.error }
func (e notFound) Unwrap() error        { return e.error }
func (e conflict) Unwrap() error        { return e.error }
func (e unavailable) Unwrap() error     { return e.error }
func (e internal) Unwrap() error        { return e.error }

// Of returns the class of err, or nil when it has none. It looks for the
// sentinels of this package and for the marker methods, so an error of
// containerd's or moby's errdefs has a class too; a cancelled or expired
// context is Unavailable. The outermost class wins.
func Of(err error) error {
	for ; err != nil; err = errors.Unwrap(err) {
		switch err.(type) { //nolint:errorlint // the loop unwraps
		case interface{ InvalidParameter() }:
			return InvalidArgument
		case interface{ NotFound() }:
			return NotFound
		case interface{ Conflict() }:
			return Conflict
		case interface{ Unavailable() }:
			return Unavailable
		case interface{ System() }:
			return Internal
		case interface{ Unwrap() []error }:
			return ofMany(err)
		}
		if err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // the loop unwraps
			return Unavailable
		}
	}
	return nil
}

// Is reports whether err is of class c, be it told by the sentinel or by a
// marker method.
func Is(err, c error) bool { return Of(err) == c } //nolint:errorlint // Of returns the very sentinel

// ofMany returns the class of the first of the joined errors that has one.
func ofMany(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		if c := Of(e); c != nil {
			return c
		}
	}
	return nil
}

// Wrap gives err the class c, unless it has one already; then it is returned
// in a form for which [errors.Is] with that class's sentinel holds. A nil err
// stays nil.
func Wrap(c, err error) error {
	if err == nil {
		return nil
	}
	if has := Of(err); has != nil {
		if only(err, has) {
			return err
		}
		c = has
	}
	if others(err, c) {
		err = opaque{err}
	}
	switch c {
	case InvalidArgument: //nolint:errorlint // c is a sentinel of this package itself
		return invalidArgument{err}
	case NotFound:
		return notFound{err}
	case Conflict:
		return conflict{err}
	case Unavailable:
		return unavailable{err}
	default:
		return internal{err}
	}
}

// only reports whether err matches the sentinel of class c and no other.
func only(err, c error) bool { return errors.Is(err, c) && !others(err, c) }

// others reports whether err matches the sentinel of a class other than c.
func others(err, c error) bool {
	for _, other := range []error{InvalidArgument, NotFound, Conflict, Unavailable, Internal} {
		if other != c && errors.Is(err, other) { //nolint:errorlint // both are sentinels
			return true
		}
	}
	return false
}

// opaque is an error that joins several classes, shown by its text alone, so
// that it can be given one.
type opaque struct{ err error }

func (o opaque) Error() string { return o.err.Error() }

// Errorf formats an error of class c. Like [fmt.Errorf] it wraps with %w; an
// error so wrapped keeps the class it has.
func Errorf(c error, format string, args ...any) error {
	return Wrap(c, fmt.Errorf(format, args...))
}
