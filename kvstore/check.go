package kvstore

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/audit"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/refstore"
)

// CheckOptions say what is known besides the records. The zero value is for a
// store that keeps no content.
type CheckOptions struct {
	// Open opens the bytes of content, which need not be verified. Its error is
	// of class NotFound when they are not there; any other ends the check. With
	// it, records of content and of images that cannot be read are made again.
	Open func(ctx context.Context, content digest.Digest) (io.ReadCloser, error)
	// Damaged returns what is wrong with the bytes of content. What nothing
	// holds is left out of the findings; to the rest the names of images are
	// added. It is called within the transaction.
	Damaged func(ctx context.Context) (map[digest.Digest]check.Finding, error)
	// Sizes are the true numbers of bytes of content whose records say
	// something else.
	Sizes map[digest.Digest]int64
}

// RepairOptions configure [Repair].
type RepairOptions struct {
	CheckOptions
	// DropIncomplete removes the images that need content which is Damaged,
	// unless that is only inaccessible (rule C6).
	DropIncomplete bool
	// Keep is called with all that is to change, before anything does. When it
	// fails, nothing changes and the error is that of Repair. It may be called
	// again after a lost race. The slices must not be changed.
	Keep func(ctx context.Context, changes []Change) error
}

// A Change is one entry that a repair changes.
type Change struct {
	// Key is the key of the entry.
	Key []byte
	// Old is the value that it had; nil if it was not there.
	Old []byte
	// New is the value that it gets; nil if it is removed.
	New []byte
}

// Check looks at every entry of a store and returns what is wrong, sorted (rule
// C2). It changes nothing and sees one consistent state. Nothing wrong is no
// finding and no error; an error is one of the engine or of Open, or a
// [*FormatError]. Its memory grows with the number of records.
func Check(ctx context.Context, db kv.DB, opts CheckOptions) ([]check.Finding, error) {
	var findings []check.Finding
	err := db.View(ctx, func(r kv.Reader) error {
		a, err := inspect(ctx, r, RepairOptions{CheckOptions: opts})
		if err == nil {
			findings = a.Findings()
		}
		return err
	})
	return findings, err
}

// Repair makes a store sound in one transaction, and returns what Check would
// have found, sorted, with what was repaired (rules C3 to C6). Only what is
// Damaged is not, unless images are dropped. After it, Check finds nothing else.
//
// It leaves no marks of garbage: content of which no record tells any more is
// for whoever keeps the bytes to find.
func Repair(ctx context.Context, db kv.DB, opts RepairOptions) ([]check.Finding, error) {
	var findings []check.Finding
	err := db.Update(ctx, func(tx kv.Tx) error {
		a, err := inspect(ctx, tx, opts)
		if err != nil {
			return err
		}
		changes, err := changesOf(ctx, tx, a)
		if err != nil {
			return err
		}
		findings = a.Repaired()
		if len(changes) > 0 && opts.Keep != nil {
			if err := opts.Keep(ctx, changes); err != nil {
				return err
			}
		}
		return apply(ctx, tx, changes)
	})
	if err != nil {
		return nil, err
	}
	return findings, nil
}

// inspect looks at everything: first at images, on which the rest depends, and
// last at references, which give names to the findings.
func inspect(ctx context.Context, r kv.Reader, opts RepairOptions) (*audit.Audit, error) {
	a := audit.New()
	a.Open, a.Sizes, a.Drop = opts.Open, opts.Sizes, opts.DropIncomplete
	if opts.Damaged != nil {
		var err error
		if a.Damaged, err = opts.Damaged(ctx); err != nil {
			return nil, err
		}
	}
	for _, look := range []func(context.Context, kv.Reader, *audit.Audit) error{
		checkKeys, imagestore.Audit, checkContainers, checkLeases, refstore.Audit,
	} {
		if err := look(ctx, r, a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// prefixes begin the keys of a store. Only those of its own are known here.
func prefixes() []string {
	return append(imagestore.Prefixes(), append(refstore.Prefixes(), containerPrefix, namePrefix, usePrefix, leasePrefix)...)
}

// checkKeys makes sure that the store is of this format and that the engine
// finds each key where it belongs, and removes the keys that a store never
// writes.
func checkKeys(ctx context.Context, r kv.Reader, a *audit.Audit) error {
	if err := readFormat(ctx, r); err != nil && !errors.Is(err, errNoFormat) {
		return err
	}
	known, before := prefixes(), ""
	for entry, err := range r.Scan(ctx, nil) {
		if err != nil {
			return err
		}
		key := string(entry.Key)
		if err := checkPlace(ctx, r, entry, before); err != nil {
			return err
		}
		before = key
		if key == formatKey || slices.ContainsFunc(known, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			continue
		}
		unknown(a, entry.Key, "no store writes such a key")
	}
	return nil
}

// checkPlace makes sure that an entry is found by its key. Where it is not, no
// other answer of the engine can be relied on, and nothing should be changed.
func checkPlace(ctx context.Context, r kv.Reader, entry kv.Entry, before string) error {
	value, err := r.Get(ctx, entry.Key)
	if string(entry.Key) > before && err == nil && bytes.Equal(value, entry.Value) {
		return nil
	}
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	return class.Errorf(class.Internal, "key %q is not found where it should be: the database is damaged; restore it from a copy, or begin a new store", entry.Key)
}

func unknown(a *audit.Audit, key []byte, problem string) {
	a.Found(check.Finding{
		Kind: check.UnknownKey, Key: string(key),
		Problem: problem,
		Repair:  "the entry is removed",
	})
	a.Remove(key)
}

// changesOf returns what the audit changes, in the order of the keys. What is
// so already is no change.
func changesOf(ctx context.Context, r kv.Reader, a *audit.Audit) ([]Change, error) {
	var changes []Change
	for _, key := range a.Keys() {
		change := Change{Key: []byte(key), New: a.Value(key)}
		old, err := r.Get(ctx, change.Key)
		switch {
		case errors.Is(err, kv.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			change.Old = append([]byte{}, old...)
		}
		if (change.Old == nil) != (change.New == nil) || !bytes.Equal(change.Old, change.New) {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

// apply makes the changes, in the order of the keys.
func apply(ctx context.Context, tx kv.Tx, changes []Change) error {
	for _, change := range changes {
		var err error
		if change.New == nil {
			err = tx.Delete(ctx, change.Key)
		} else {
			err = tx.Put(ctx, change.Key, change.New)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
