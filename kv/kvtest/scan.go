package kvtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jettison-oci/jettison/kv"
)

func scanCases() []Case {
	return []Case{
		{
			"scan order",
			"Scan yields entries in the order of their keys' bytes: reports are sorted because the store is.",
			scanOrder,
		},
		{
			"scan prefix",
			"Scan yields the keys that begin with the prefix, the prefix itself among them, and no others.",
			scanPrefix,
		},
		{
			"scan last prefix",
			"A prefix that ends in 0xff has no next one of the same length; Scan yields its keys all the same.",
			scanLastPrefix,
		},
		{
			"scan all",
			"An empty prefix, nil or not, is that of every key.",
			scanAll,
		},
		{
			"scan stops",
			"Scan ends when its consumer does, and the transaction goes on.",
			scanStops,
		},
		{
			"scan again",
			"A sequence can be ranged over again, and scans run inside each other, as walks from parent to child do.",
			scanAgain,
		},
		{
			"scan later",
			"A sequence yields what is there when it is ranged over, not when it was asked for: a transaction reads its own writes.",
			scanLater,
		},
		{
			"scan many",
			"A scan of some thousand entries yields each one once, in order.",
			scanMany,
		},
	}
}

func scanOrder(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "b", "4", "\xff", "6", "a/", "3", "\x00", "1", "a", "2", "\x80", "5"); err != nil {
		return err
	}
	return holds(ctx, db, "\x00", "1", "a", "2", "a/", "3", "b", "4", "\x80", "5", "\xff", "6")
}

func scanPrefix(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2", "b/", "3", "b/1", "4", "b/2", "5", "b0", "6", "c", "7"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		return errors.Join(
			scans(ctx, r, "b/", "b/", "3", "b/1", "4", "b/2", "5"),
			scans(ctx, r, "b", "b", "2", "b/", "3", "b/1", "4", "b/2", "5", "b0", "6"),
			scans(ctx, r, "b/1", "b/1", "4"),
			scans(ctx, r, "b/11"),
			scans(ctx, r, "A"),
			scans(ctx, r, "d"),
		)
	})
}

func scanLastPrefix(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a\xff", "1", "a\xff\x00", "2", "a\xff\xff", "3", "b", "4", "\xff", "5", "\xff\xff", "6"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		return errors.Join(
			scans(ctx, r, "a\xff", "a\xff", "1", "a\xff\x00", "2", "a\xff\xff", "3"),
			scans(ctx, r, "\xff", "\xff", "5", "\xff\xff", "6"),
			scans(ctx, r, "\xff\xff", "\xff\xff", "6"),
			scans(ctx, r, "\xff\xff\xff"),
		)
	})
}

func scanAll(ctx context.Context, db kv.DB) error {
	if err := holds(ctx, db); err != nil {
		return fmt.Errorf("empty: %w", err)
	}
	if err := fill(ctx, db, "\x00", "1", "\xff", "2"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		n := 0
		for _, err := range r.Scan(ctx, nil) {
			if err != nil {
				return err
			}
			n++
		}
		if n != 2 {
			return fmt.Errorf("scan of a nil prefix yields %d entries, want 2", n)
		}
		return scans(ctx, r, "", "\x00", "1", "\xff", "2")
	})
}

func scanStops(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2", "c", "3"); err != nil {
		return err
	}
	return db.Update(ctx, func(tx kv.Tx) error {
		calls := 0
		// A range statement would panic where this counts.
		tx.Scan(ctx, nil)(func(kv.Entry, error) bool {
			calls++
			return false
		})
		if calls != 1 {
			return fmt.Errorf("scan yields %d times to a consumer that stops at the first", calls)
		}
		if err := put(ctx, tx, "d", "4"); err != nil {
			return fmt.Errorf("after a scan that was stopped: %w", err)
		}
		return scans(ctx, tx, "", "a", "1", "b", "2", "c", "3", "d", "4")
	})
}

func scanAgain(ctx context.Context, db kv.DB) error {
	if err := fill(ctx, db, "a", "1", "b", "2"); err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		var got []string
		seq := r.Scan(ctx, nil)
		for outer, err := range seq {
			if err != nil {
				return err
			}
			for inner, err := range seq {
				if err != nil {
					return err
				}
				got = append(got, string(outer.Key)+string(inner.Key))
			}
		}
		if want := []string{"aa", "ab", "ba", "bb"}; !slices.Equal(got, want) {
			return fmt.Errorf("a scan inside a scan yields %q, want %q", got, want)
		}
		return nil
	})
}

func scanLater(ctx context.Context, db kv.DB) error {
	return db.Update(ctx, func(tx kv.Tx) error {
		seq := tx.Scan(ctx, []byte("a"))
		if err := put(ctx, tx, "ab", "1"); err != nil {
			return err
		}
		for e, err := range seq {
			if err != nil || string(e.Key) == "ab" {
				return err
			}
		}
		return errors.New("a scan asked for before a write and run after it does not yield what was written")
	})
}

func scanMany(ctx context.Context, db kv.DB) error {
	const n = 3000
	var sorted []string
	for i := range n {
		sorted = append(sorted, fmt.Sprintf("key/%04d", i), fmt.Sprint(i))
	}
	err := db.Update(ctx, func(tx kv.Tx) error {
		for i := range n {
			at := 2 * (i * 1009 % n) // each index once, far from sorted
			if err := put(ctx, tx, sorted[at:at+2]...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.View(ctx, func(r kv.Reader) error {
		return errors.Join(scans(ctx, r, "key/", sorted...), scans(ctx, r, "key/12", sorted[2400:2600]...))
	})
}
