package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

func entryCases() []Case {
	return []Case{
		{
			"missing key",
			"Get of a key without a value is kv.ErrNotFound, of class NotFound: stores tell absence from failure by it.",
			missingKey,
		},
		{
			"put and delete",
			"Put replaces the value of its key alone; Delete removes its key alone, and is no error when there is none.",
			putAndDelete,
		},
		{
			"empty value",
			"An empty value, nil or not, is a value: indexes are keys whose values are empty.",
			emptyValue,
		},
		{
			"empty key",
			"Put of an empty key is an error of class InvalidArgument.",
			emptyKey,
		},
		{
			"sizes",
			"Every engine takes keys of up to 4 KiB and values of up to 1 MiB.",
			sizes,
		},
		{
			"kept slices",
			"Get, Put and Delete keep no slice of their caller, who builds many keys in one buffer.",
			keptSlices,
		},
		{
			"stable values",
			"What a transaction has read stays as it is until the transaction ends, whatever it writes or reads afterwards.",
			stableValues,
		},
	}
}

func missingKey(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "b", "1"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		var all error
		for _, key := range []string{"a", "b\x00", "c", ""} {
			all = errors.Join(all, misses(ctx, r, key))
		}
		return all
	})
}

func putAndDelete(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "1", "c", "1"); err != nil {
		return err
	}
	if err := fill(ctx, db, "b", "longer"); err != nil {
		return err
	}
	if err := holds(ctx, db, "a", "1", "b", "longer", "c", "1"); err != nil {
		return err
	}
	err := db.Update(ctx, func(tx kv.Tx) error {
		return errors.Join(tx.Delete(ctx, []byte("a")), tx.Delete(ctx, []byte("bb")), tx.Delete(ctx, nil))
	})
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return holds(ctx, db, "b", "longer", "c", "1")
}

func emptyValue(ctx context.Context, db kv.DB) error {
	err := db.Update(ctx, func(tx kv.Tx) error {
		if err := errors.Join(tx.Put(ctx, []byte("a"), nil), tx.Put(ctx, []byte("b"), []byte{})); err != nil {
			return err
		}
		return errors.Join(gets(ctx, tx, "a", ""), gets(ctx, tx, "b", ""))
	})
	if err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		return errors.Join(gets(ctx, r, "a", ""), gets(ctx, r, "b", ""), scans(ctx, r, "", "a", "", "b", ""))
	})
}

func emptyKey(ctx context.Context, db kv.DB) error {
	var refusal error
	err := db.Update(ctx, func(tx kv.Tx) error {
		refusal = tx.Put(ctx, nil, []byte("1"))
		return refusal
	})
	if refusal == nil && err != nil {
		refusal = err // an engine may find it out at the end
	}
	if err := hasClass("put of an empty key", refusal, class.InvalidArgument); err != nil {
		return err
	}
	return holds(ctx, db)
}

func sizes(ctx context.Context, db kv.DB) error {
	key := string(bytes.Repeat([]byte("k"), 4<<10))
	value := string(bytes.Repeat([]byte("v"), 1<<20))
	if err := fill(ctx, db, key, value); err != nil {
		return fmt.Errorf("a key of 4 KiB with a value of 1 MiB: %w", errors.Unwrap(err))
	}
	return db.View(ctx, func(r kv.Reader) error {
		got, err := r.Get(ctx, []byte(key))
		if err != nil {
			return err
		}
		if string(got) != value {
			return fmt.Errorf("a value of %d bytes comes back changed, with %d bytes", len(value), len(got))
		}
		return nil
	})
}

func keptSlices(ctx context.Context, db kv.DB) error {
	err := db.Update(ctx, func(tx kv.Tx) error {
		if err := put(ctx, tx, "old", "1"); err != nil {
			return err
		}
		key, value := []byte("key"), []byte("value")
		if err := tx.Put(ctx, key, value); err != nil {
			return err
		}
		copy(value, "XXXXX")
		if _, err := tx.Get(ctx, key); err != nil {
			return fmt.Errorf("get %q: %w", key, err)
		}
		copy(key, "old")
		if got, err := tx.Get(ctx, key); err != nil || string(got) != "1" {
			return fmt.Errorf("get %q from the buffer of another key returns %q, %v; want %q", key, got, err, "1")
		}
		if err := tx.Delete(ctx, key); err != nil {
			return err
		}
		copy(key, "key")
		return gets(ctx, tx, "key", "value")
	})
	if err != nil {
		return err
	}
	return holds(ctx, db, "key", "value")
}

func stableValues(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "one", "b", "two"); err != nil {
		return err
	}
	return db.Update(ctx, func(tx kv.Tx) error {
		a, errA := tx.Get(ctx, []byte("a"))
		b, errB := tx.Get(ctx, []byte("b"))
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if err := put(ctx, tx, "a", "new", "c", "new"); err != nil {
			return err
		}
		if err := tx.Delete(ctx, []byte("b")); err != nil {
			return err
		}
		if string(a) != "one" || string(b) != "two" {
			return fmt.Errorf("values read are %q and %q after later reads and writes, want %q and %q", a, b, "one", "two")
		}
		return nil
	})
}
