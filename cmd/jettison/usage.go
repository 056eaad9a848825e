package main

import (
	"fmt"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// anyNumber is the most arguments of a command that takes as many as there are.
const anyNumber = -1

// operands accepts between least and most arguments; names are how the usage line
// calls them.
func operands(names string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most == anyNumber || len(args) <= most) {
			return nil
		}
		return errors.Errorf("%s wants %s, but got %s", cmd.CommandPath(), names, counted(len(args)))
	}
}

// counted says how many arguments there are.
func counted(n int) string {
	switch n {
	case 0:
		return "nothing"
	case 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// subcommand accepts no arguments: what is left is no command of cmd.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := errors.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return errors.Errorf("%s; did you mean %s?", err, near[0])
	}
	return err
}

// noArgs accepts no arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errors.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args[0])
}

// flagError says what a flag wants instead of a value that it could not read.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	return errors.WithMessagef(unreadable(flag.Value, invalid.Unwrap()), "--%s %q", flag.Name, invalid.GetValue())
}

// unreadable is the error of a flag that could not read its value: for types of
// Go's own, whose errors speak of Go, one that says what is wanted.
func unreadable(value pflag.Value, err error) error {
	switch value.Type() {
	case "int":
		return errors.New("want a whole number")
	case "duration":
		return errors.New("want numbers with units up to hours, as in 90m or 24h")
	case "bool":
		return errors.New("want true or false")
	}
	return err
}
