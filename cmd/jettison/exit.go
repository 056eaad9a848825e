package main

import (
	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// The exit statuses. A command that is carried out has 0.
const (
	exitFailed      = 1   // refused or failed
	exitUsage       = 2   // not understood
	exitInterrupted = 130 // as by shells, of a command that an interrupt ended
)

// The exit statuses of Podman.
const (
	podmanUnknown = 1   // an image is not there, and that is all
	podmanInUse   = 2   // an image has children or is used
	podmanOther   = 125 // anything else, also wrong usage
)

// exitCodesHelp is what the help of a command with the flag says of it.
const exitCodesHelp = `Exit status         --exit-codes docker   --exit-codes podman
  done                             0                     0
  an image is not there, no other failure
                                   1                     1
  an image has children or is used by a container or a lease
                                   1                     2
  refused or failed otherwise      1                   125
  wrong usage                      2                   125
  interrupted                    130                   130
Of wrong usage the status is Podman's if --exit-codes stands before it.`

// exitCodes says whose exit statuses are wanted. The zero value is Docker's.
type exitCodes struct{ podman bool }

// register adds the flag to a command.
func (c *exitCodes) register(flags *pflag.FlagSet) {
	flags.Var(c, "exit-codes", "exit as `ENGINE` does: docker or podman")
}

// String is the value of the flag.
func (c *exitCodes) String() string {
	if c.podman {
		return "podman"
	}
	return "docker"
}

// Type is what the flag's values are.
func (*exitCodes) Type() string { return "ENGINE" }

// Set reads a value.
func (c *exitCodes) Set(text string) error {
	if text != "docker" && text != "podman" {
		return errors.New("want docker or podman")
	}
	c.podman = text == "podman"
	return nil
}

// exitCodesOf are those that the command line asks for.
func exitCodesOf(cmd *cobra.Command) exitCodes {
	if flag := cmd.Flags().Lookup("exit-codes"); flag != nil {
		if codes, ok := flag.Value.(*exitCodes); ok {
			return *codes
		}
	}
	return exitCodes{}
}

// A failed error is one of carrying out a command that was understood.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// A misused error is one of the command line that shows only once the store is
// open.
type misused struct{ error }

func (m misused) Unwrap() error { return m.error }

// A reported error stands for errors that have been printed already.
type reported struct{ failures []failure }

func (*reported) Error() string { return "errors have been reported" }

func isReported(err error) bool {
	var r *reported
	return errors.As(err, &r)
}

// isUsage reports whether the command line was not understood.
func isUsage(err error) bool {
	var f failed
	var m misused
	return err != nil && (!errors.As(err, &f) || errors.As(err, &m))
}

// exitStatus is the one of a command that ended with err.
func exitStatus(err error, codes exitCodes) int {
	switch {
	case err == nil:
		return 0
	case codes.podman:
		return podmanStatus(err)
	case isUsage(err):
		return exitUsage
	}
	return exitFailed
}

// podmanStatus tells the failures of single images apart: one in use decides, and
// one that is not there if there is no other.
func podmanStatus(err error) int {
	var r *reported
	if !errors.As(err, &r) {
		return podmanOther
	}
	status := podmanUnknown
	for _, f := range r.failures {
		switch {
		case keepsImage(f.err):
			return podmanInUse
		case !errors.Is(f.err, jettison.ErrNotFound):
			status = podmanOther
		}
	}
	return status
}

// keepsImage reports whether a child or a use stands in the way.
func keepsImage(err error) bool {
	for _, c := range conflictsOf(err) {
		if c.Kind&(conflict.InUse|conflict.DependentChild) != 0 {
			return true
		}
	}
	return false
}
