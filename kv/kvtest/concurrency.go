package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jettison-oci/jettison/kv"
)

func concurrencyCases() []Case {
	return []Case{
		{
			"snapshot",
			"A View reads one state: an Update that succeeds meanwhile changes nothing in it.",
			snapshot,
		},
		{
			"uncommitted",
			"What an Update has written is invisible to others until it succeeds.",
			uncommitted,
		},
		{
			"one after another",
			"Updates happen as if one after another: of two that read and then write, the second reads what the first wrote (rule D15).",
			oneAfterAnother,
		},
	}
}

func snapshot(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "1"); err != nil {
		return err
	}
	var update chan error
	err := db.View(ctx, func(r kv.Reader) error {
		if err := gets(ctx, r, "a", "1"); err != nil {
			return err
		}
		update = background(func() error { return fill(ctx, db, "a", "2", "b", "2", "c", "2") })
		linger(update) // an engine may make it wait for the end of this view
		return errors.Join(misses(ctx, r, "c"), scans(ctx, r, "", "a", "1", "b", "1"))
	})
	if update != nil {
		err = errors.Join(err, finish("an update beside a view", update))
	}
	if err != nil {
		return err
	}
	return holds(ctx, db, "a", "2", "b", "2", "c", "2")
}

func uncommitted(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1"); err != nil {
		return err
	}
	var view chan error
	err := db.Update(ctx, func(tx kv.Tx) error {
		if err := put(ctx, tx, "a", "2", "b", "2"); err != nil {
			return err
		}
		view = background(func() error { return holds(ctx, db, "a", "1") })
		linger(view) // an engine may make it wait for the end of this update
		return errStop
	})
	if !errors.Is(err, errStop) {
		return err
	}
	return finish("a view beside an update", view)
}

func oneAfterAnother(ctx context.Context, db kv.DB) error {
	const goroutines, each = 8, 5
	var all [goroutines]chan error
	for g := range all {
		all[g] = background(func() error {
			for range each {
				if err := increment(ctx, db); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var err error
	for _, done := range all {
		err = errors.Join(err, finish("counting", done))
	}
	if err != nil {
		return err
	}
	if err := holds(ctx, db, "count", strconv.Itoa(goroutines*each)); err != nil {
		return fmt.Errorf("after %d increments: %w", goroutines*each, err)
	}
	return nil
}

func increment(ctx context.Context, db kv.DB) error {
	return db.Update(ctx, func(tx kv.Tx) error { return count(ctx, tx) })
}

// count adds one to the decimal value of "count".
func count(ctx context.Context, tx kv.Tx) error {
	n := 0
	value, err := tx.Get(ctx, []byte("count"))
	if err == nil {
		n, err = strconv.Atoi(string(value))
	} else if errors.Is(err, kv.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return err
	}
	return put(ctx, tx, "count", strconv.Itoa(n+1))
}
