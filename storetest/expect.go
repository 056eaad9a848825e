package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison"
)

// same compares two values as they print, so that nil and empty are the same.
func same(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s: got %s, want %s", what, g, w)
	}
	return nil
}

// sameLines compares two states and names the first lines that differ.
func sameLines(what string, got, want []string) error {
	var differences []string
	for _, line := range got {
		if !slices.Contains(want, line) {
			differences = append(differences, "unexpected "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			differences = append(differences, "missing "+line)
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%s differs: %s", what, strings.Join(differences, "; "))
}

// sentinels are the classes of error by name.
func sentinels() map[string]error {
	return map[string]error{
		"InvalidArgument": jettison.ErrInvalidArgument,
		"NotFound":        jettison.ErrNotFound,
		"Conflict":        jettison.ErrConflict,
		"Unavailable":     jettison.ErrUnavailable,
		"Internal":        jettison.ErrInternal,
	}
}

// classed makes sure that err is of this class and of no other (rule E1).
func classed(what string, err error, class string) error {
	if err == nil {
		return fmt.Errorf("%s: got no error, want one of class %s", what, class)
	}
	for name, sentinel := range sentinels() {
		if is := errors.Is(err, sentinel); is != (name == class) {
			return fmt.Errorf("%s: got %s with class %s: %t, want class %s alone", what, said(err), name, is, class)
		}
	}
	return nil
}

// cancelledError makes sure that err is that of a cancelled context.
func cancelledError(what string, err error) error {
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s with a cancelled context: got %s, want an error that wraps context.Canceled", what, said(err))
	}
	return nil
}

// said is an error in a text about it.
func said(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("error %q", err.Error())
}

// named parses a name of a case.
func named(name string) reference.Named {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		panic(fmt.Sprintf("storetest: reference %q: %v", name, err))
	}
	return reference.TagNameOnly(ref)
}

// full are the full strings of references.
func full(refs []reference.Named) []string {
	all := make([]string, 0, len(refs))
	for _, ref := range refs {
		all = append(all, ref.String())
	}
	return all
}

// fullNames are the full strings of names.
func fullNames(names ...string) []string {
	all := make([]string, 0, len(names))
	for _, name := range names {
		all = append(all, named(name).String())
	}
	return all
}

// first takes the first item of a walk and leaves it.
func first[T any](all iter.Seq2[T, error]) error {
	next, stop := iter.Pull2(all)
	defer stop()
	_, err, _ := next()
	return err
}

// firstError returns the first error there is.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
