package kvtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/jettison-oci/jettison/kv"
)

func txCases() []Case {
	return []Case{
		{
			"own writes",
			"A transaction reads its own writes, by Get and by Scan: layers are counted by reading what was just written.",
			ownWrites,
		},
		{
			"rollback",
			"When the function of an Update fails, nothing has changed (rule D14).",
			rollback,
		},
		{
			"rollback after panic",
			"When the function of an Update panics, nothing has changed, the panic passes through, and the DB goes on.",
			rollbackAfterPanic,
		},
		{
			"same error",
			"View and Update return the error of their function as it is: callers compare it.",
			sameError,
		},
	}
}

func ownWrites(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "old", "c", "old", "e", "old"); err != nil {
		return err
	}
	err := db.Update(ctx, func(tx kv.Tx) error {
		if err := put(ctx, tx, "b", "new", "c", "new"); err != nil {
			return err
		}
		if err := tx.Delete(ctx, []byte("e")); err != nil {
			return err
		}
		return errors.Join(
			gets(ctx, tx, "a", "old"), gets(ctx, tx, "b", "new"), gets(ctx, tx, "c", "new"), misses(ctx, tx, "e"),
			scans(ctx, tx, "", "a", "old", "b", "new", "c", "new"),
		)
	})
	if err != nil {
		return err
	}
	return holds(ctx, db, "a", "old", "b", "new", "c", "new")
}

// meddle changes everything there is, and returns errStop.
func meddle(ctx context.Context, tx kv.Tx) error {
	if err := put(ctx, tx, "a", "changed", "new", "1"); err != nil {
		return err
	}
	if err := tx.Delete(ctx, []byte("b")); err != nil {
		return err
	}
	return errStop
}

func rollback(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2"); err != nil {
		return err
	}
	err := db.Update(ctx, func(tx kv.Tx) error { return meddle(ctx, tx) })
	if !errors.Is(err, errStop) {
		return fmt.Errorf("update returns %v, want the error of its function, %v", err, errStop)
	}
	if err := holds(ctx, db, "a", "1", "b", "2"); err != nil {
		return fmt.Errorf("after an update that failed: %w", err)
	}
	if err := fill(ctx, db, "c", "3"); err != nil {
		return err
	}
	return holds(ctx, db, "a", "1", "b", "2", "c", "3")
}

func rollbackAfterPanic(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2"); err != nil {
		return err
	}
	if got := panics(func() error {
		return db.Update(ctx, func(tx kv.Tx) error { panic(meddle(ctx, tx)) })
	}); got != errStop { //nolint:errorlint // the very value must arrive
		return fmt.Errorf("a panic with %v in an update arrives as %v", errStop, got)
	}
	if got := panics(func() error {
		return db.View(ctx, func(kv.Reader) error { panic(errStop) })
	}); got != errStop { //nolint:errorlint // the very value must arrive
		return fmt.Errorf("a panic with %v in a view arrives as %v", errStop, got)
	}
	done := background(func() error {
		if err := holds(ctx, db, "a", "1", "b", "2"); err != nil {
			return err
		}
		return fill(ctx, db, "c", "3")
	})
	return finish("using the DB after a panic", done)
}

// panics returns what f panics with, or nil.
func panics(f func() error) (value any) {
	defer func() { value = recover() }()
	if err := f(); err != nil {
		return fmt.Errorf("an error: %w", err)
	}
	return nil
}

func sameError(ctx context.Context, db kv.DB) error {
	if err := db.View(ctx, func(kv.Reader) error { return errStop }); err != errStop { //nolint:errorlint // identity is the rule
		return fmt.Errorf("view returns %v, want the very error of its function, %v", err, errStop)
	}
	if err := db.Update(ctx, func(kv.Tx) error { return errStop }); err != errStop { //nolint:errorlint // identity is the rule
		return fmt.Errorf("update returns %v, want the very error of its function, %v", err, errStop)
	}
	return nil
}
