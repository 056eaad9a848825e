// Command jettison removes container images from a store, as docker rmi does
// from an engine: see `jettison --help`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run carries out the command line and returns the exit status: 0 done, 1
// refused or failed, 2 wrong usage. An interrupt cancels the work; what had
// been committed stays.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !isReported(err) {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
	}
	return exitStatus(err)
}
