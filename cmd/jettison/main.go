// Command jettison removes container images from a store, as docker rmi does
// from an engine: see `jettison --help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison/internal/class"
)

func main() {
	if reentered() {
		return
	}
	os.Exit(run(os.Args[1:]))
}

// run carries out the command line and returns the exit status. An interrupt
// cancels the work; what had been committed stays. A second one ends the
// process as if nobody listened, wherever it is.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	out := &results{w: os.Stdout}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	if writing := out.err(); writing != nil && (err == nil || errors.Is(err, writing)) {
		err = failed{writing}
	}
	return conclude(ctx, cmd, err)
}

// conclude says what went wrong and returns the exit status.
func conclude(ctx context.Context, cmd *cobra.Command, err error) int {
	status := exitStatus(err, exitCodesOf(cmd))
	w := cmd.ErrOrStderr()
	switch {
	case err == nil || isReported(err):
	case isUsage(err):
		note(w, "Error: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		status = exitInterrupted
		report(w, outputFormat(cmd), failure{err: class.Errorf(class.Unavailable, "interrupted")})
	default:
		report(w, outputFormat(cmd), failure{err: err})
	}
	return status
}
