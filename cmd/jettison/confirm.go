package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

// The warnings that Docker prints before a prune.
const (
	warnDangling = "WARNING! This will remove all dangling images."
	warnAll      = "WARNING! This will remove all images without at least one container associated to them."
)

var errNotConfirmed = errors.New("prune has been cancelled")

// confirmPrune says what the prune is about to do and asks whether it may. The
// store is not held open meanwhile, so others can work.
func (s *settings) confirmPrune(cmd *cobra.Command, opts jettison.PruneOptions) error {
	var plan *jettison.Plan
	opts.Explain = false
	err := s.read(cmd, func(store *opened) (err error) {
		plan, err = store.service.PlanPrune(cmd.Context(), opts)
		return misusedOr(err)
	})
	if err != nil {
		return err
	}
	warn(cmd.ErrOrStderr(), cmd.Flags(), opts)
	note(cmd.ErrOrStderr(), "Images that would go now: %d (%s)\n", countDeleted(plan), size(plan.SpaceReclaimed()))
	return confirm(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
}

// warn says what kind of images will be removed, and by which filters and
// policy.
func warn(w io.Writer, set *pflag.FlagSet, opts jettison.PruneOptions) {
	warning := warnDangling
	f, err := filter.New(opts.Filters, time.Now())
	if err == nil {
		if dangling, given := f.Dangling(); opts.All || given && !dangling {
			warning = warnAll
		}
	}
	note(w, "%s\n", warning)
	for _, key := range slices.DeleteFunc(policyKeys(), func(key string) bool { return key == "all" }) {
		flag := set.Lookup(key)
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if flag.Changed {
				note(w, "  - %s: %s\n", key, value)
			}
		}
	}
}

func countDeleted(plan *jettison.Plan) int {
	n := 0
	for _, removal := range plan.Removals {
		for _, step := range removal.Steps {
			if step.Untag == nil {
				n++
			}
		}
	}
	return n
}

// confirm asks Docker's question; only y lets the work begin. An interrupt
// ends the waiting.
func confirm(ctx context.Context, in io.Reader, w io.Writer) error {
	note(w, "Are you sure you want to continue? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // the end of the input is no answer
		answer <- line
	}()
	select {
	case <-ctx.Done():
		note(w, "\n")
		return errors.WithMessage(ctx.Err(), errNotConfirmed.Error())
	case line := <-answer:
		if strings.EqualFold(strings.TrimSpace(line), "y") {
			return nil
		}
		return errNotConfirmed
	}
}
