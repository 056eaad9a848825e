package kvtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jettison-oci/jettison/kv"
)

func contextCases() []Case {
	return []Case{
		{
			"ended context",
			"View and Update whose context has ended run nothing; the error wraps the context's and is of class Unavailable.",
			endedContext,
		},
		{
			"ended context inside",
			"Get, Scan, Put and Delete whose context has ended do nothing; the error wraps the context's and is of class Unavailable.",
			endedContextInside,
		},
		{
			"context ends scan",
			"A scan ends when its context does, with the context's error as its last element: a long walk can be stopped.",
			contextEndsScan,
		},
		{
			"context after function",
			"Once the function of an Update has returned nil, the context no longer stops the commit: a caller knows what happened.",
			contextAfterFunction,
		},
	}
}

// endings calls f with a context that was cancelled and one that has expired.
func endings(ctx context.Context, f func(ctx context.Context) error) error {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	expired, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	defer cancel()
	return errors.Join(f(cancelled), f(expired))
}

func endedContext(ctx context.Context, db kv.DB) error {
	return endings(ctx, func(ended context.Context) error {
		ran := false
		err := db.View(ended, func(kv.Reader) error {
			ran = true
			return nil
		})
		if err := endedBy(ended, "view", err); err != nil {
			return err
		}
		err = db.Update(ended, func(kv.Tx) error {
			ran = true
			return nil
		})
		if err := endedBy(ended, "update", err); err != nil {
			return err
		}
		if ran {
			return errors.New("the function runs although the context had ended")
		}
		return nil
	})
}

func endedContextInside(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1"); err != nil {
		return err
	}
	err := db.Update(ctx, func(tx kv.Tx) error {
		return endings(ctx, func(ended context.Context) error { return refusesAll(ended, tx) })
	})
	if err != nil {
		return err
	}
	return holds(ctx, db, "a", "1")
}

// refusesAll says which method of tx does not refuse a context that has ended.
func refusesAll(ended context.Context, tx kv.Tx) error {
	_, getErr := tx.Get(ended, []byte("a"))
	scanErr := errors.New("no error")
	for e, err := range tx.Scan(ended, nil) {
		if scanErr = err; err == nil {
			scanErr = fmt.Errorf("an entry, %q", e.Key)
			break
		}
	}
	return errors.Join(
		endedBy(ended, "get", getErr),
		endedBy(ended, "scan", scanErr),
		endedBy(ended, "put", tx.Put(ended, []byte("b"), nil)),
		endedBy(ended, "delete", tx.Delete(ended, []byte("a"))),
	)
}

func contextEndsScan(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2", "c", "3"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		ending, cancel := context.WithCancel(ctx)
		defer cancel()
		entries := 0
		var last error
		for e, err := range r.Scan(ending, nil) {
			if last != nil {
				return fmt.Errorf("scan goes on after its error %q", last)
			}
			if last = err; err == nil {
				entries++
				cancel()
			} else if e.Key != nil || e.Value != nil {
				return fmt.Errorf("scan yields entry %q with its error", e.Key)
			}
		}
		if entries != 1 {
			return fmt.Errorf("scan yields %d entries when its context ends after the first", entries)
		}
		return endedBy(ending, "scan", last)
	})
}

func contextAfterFunction(ctx context.Context, db kv.DB) error {
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	err := db.Update(ending, func(tx kv.Tx) error {
		defer cancel()
		return put(ctx, tx, "a", "1")
	})
	if err != nil {
		return fmt.Errorf("update whose function succeeds and whose context ends with it: %w", err)
	}
	return holds(ctx, db, "a", "1")
}
