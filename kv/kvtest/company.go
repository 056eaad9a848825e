package kvtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"

	"github.com/jettison-oci/jettison/kv"
)

func companyCases() []Case {
	return []Case{
		{
			"updates at once",
			"Updates that wait for each other all succeed, each on what those before it wrote: an engine may let them share a commit, and no caller notices.",
			updatesAtOnce,
		},
		{
			"failure beside others",
			"An Update that fails while others wait leaves no trace of its own writes, keeps its own error, and spoils none of the others.",
			failureBesideOthers,
		},
		{
			"panic beside others",
			"An Update that panics while others wait leaves no trace of its own writes and spoils none of the others; nor does one whose function ends its goroutine.",
			panicBesideOthers,
		},
		{
			"context beside others",
			"An Update whose context ends while it waits for others writes nothing, and spoils none of the others.",
			contextBesideOthers,
		},
	}
}

// atOnce runs an Update of its own and, while that is under way, starts one for
// each of the functions, so that they wait for it and for each other. It returns
// their errors; of one that panics or ends its goroutine, errGone.
func atOnce(ctx context.Context, db kv.DB, functions ...func(kv.Tx) error) ([]error, error) {
	all := make([]chan error, len(functions))
	err := db.Update(ctx, func(kv.Tx) error {
		for i, fn := range functions {
			all[i] = survive(func() error { return db.Update(ctx, fn) })
		}
		linger(all[0]) // an engine may make them wait for the end of this one
		return nil
	})
	outcomes := make([]error, len(all))
	for i, done := range all {
		if done == nil {
			return nil, errors.Join(err, errors.New("the function of an update does not run"))
		}
		outcomes[i] = finish(fmt.Sprintf("update %d of those at once", i), done)
	}
	return outcomes, err
}

// errGone stands for a function that did not return.
var errGone = errors.New("gone")

// survive is background for an f that may panic or end its goroutine.
func survive(f func() error) chan error {
	done := make(chan error, 1)
	go func() {
		err := errGone
		defer func() {
			_ = recover()
			done <- err
		}()
		err = f()
	}()
	return done
}

func updatesAtOnce(ctx context.Context, db kv.DB) error {
	const updates = 12
	var functions []func(kv.Tx) error
	want := []string{"count", strconv.Itoa(updates)}
	for i := range updates {
		key := fmt.Sprintf("own %02d", i)
		functions = append(functions, func(tx kv.Tx) error {
			if err := count(ctx, tx); err != nil {
				return err
			}
			return put(ctx, tx, key, "1")
		})
		want = append(want, key, "1")
	}
	outcomes, err := atOnce(ctx, db, functions...)
	if err := errors.Join(append(outcomes, err)...); err != nil {
		return err
	}
	return holds(ctx, db, want...)
}

// beside runs meddling functions between others, and says what is wrong with
// the others. It returns the errors of those that meddle.
func beside(ctx context.Context, db kv.DB, meddling ...func(kv.Tx) error) ([]error, error) {
	if err := fill(ctx, db, "a", "1", "b", "2"); err != nil {
		return nil, err
	}
	want := []string{"a", "1", "b", "2"}
	var functions []func(kv.Tx) error
	for i, fn := range meddling {
		key := fmt.Sprintf("other %d", i)
		want = append(want, key, "1")
		functions = append(functions, fn, func(tx kv.Tx) error {
			if err := errors.Join(gets(ctx, tx, "a", "1"), gets(ctx, tx, "b", "2")); err != nil {
				return fmt.Errorf("an update beside one that fails: %w", err)
			}
			return put(ctx, tx, key, "1")
		})
	}
	outcomes, err := atOnce(ctx, db, functions...)
	if err != nil {
		return nil, err
	}
	var meddled []error
	for pair := range slices.Chunk(outcomes, 2) {
		meddled = append(meddled, pair[0])
		err = errors.Join(err, pair[1])
	}
	return meddled, errors.Join(err, holds(ctx, db, want...))
}

func failureBesideOthers(ctx context.Context, db kv.DB) error {
	fails := func(tx kv.Tx) error { return meddle(ctx, tx) }
	outcomes, err := beside(ctx, db, fails, fails, fails)
	if err != nil {
		return err
	}
	for _, outcome := range outcomes {
		if !errors.Is(outcome, errStop) {
			return fmt.Errorf("update returns %v, want the error of its function, %v", outcome, errStop)
		}
	}
	return nil
}

func panicBesideOthers(ctx context.Context, db kv.DB) error {
	panics := func(tx kv.Tx) error { panic(meddle(ctx, tx)) }
	exits := func(tx kv.Tx) error {
		_ = meddle(ctx, tx) // always fails
		runtime.Goexit()
		return nil
	}
	outcomes, err := beside(ctx, db, panics, exits, panics)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(outcomes, func(err error) bool { return !errors.Is(err, errGone) }); i >= 0 {
		return fmt.Errorf("update returns %v although its function does not", outcomes[i])
	}
	return nil
}

func contextBesideOthers(ctx context.Context, db kv.DB) error {
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	var late chan error
	ran := false
	_, err := beside(ctx, db, func(kv.Tx) error {
		late = background(func() error {
			return db.Update(ending, func(tx kv.Tx) error {
				ran = true
				return meddle(ctx, tx)
			})
		})
		linger(late)
		cancel()
		return nil
	})
	if err != nil {
		return err
	}
	err = <-late
	if ran {
		return errors.New("the function runs although the context ended before its turn")
	}
	return endedBy(ending, "update", err)
}
