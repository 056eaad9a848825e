package kvtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

func closeCases() []Case {
	return []Case{
		{
			"close twice",
			"Closing twice is no error: a deferred Close may follow one whose error is looked at.",
			closeTwice,
		},
		{
			"closed",
			"View and Update after Close run nothing and fail with an error of class Unavailable.",
			closed,
		},
		{
			"close waits",
			"Close returns after the transactions under way have ended, and leaves them whole.",
			closeWaits,
		},
	}
}

func closeTwice(_ context.Context, db kv.DB) error {
	if err := db.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("close again: %w", err)
	}
	return nil
}

func closed(ctx context.Context, db kv.DB) error {
	if err := db.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	ran := false
	viewErr := db.View(ctx, func(kv.Reader) error {
		ran = true
		return nil
	})
	updateErr := db.Update(ctx, func(kv.Tx) error {
		ran = true
		return nil
	})
	if ran {
		return errors.New("the function runs although the DB is closed")
	}
	return errors.Join(
		hasClass("view after close", viewErr, class.Unavailable),
		hasClass("update after close", updateErr, class.Unavailable),
	)
}

func closeWaits(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1"); err != nil {
		return err
	}
	var shut chan error
	err := db.View(ctx, func(r kv.Reader) error {
		shut = background(db.Close)
		linger(shut)
		if len(shut) > 0 {
			return errors.New("close returns while a view is under way")
		}
		return gets(ctx, r, "a", "1")
	})
	return errors.Join(err, finish("close", shut))
}
