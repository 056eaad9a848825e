package kvstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

// Format is the version of the schema that this package writes, and the newest
// that it reads: which keys there are. A store of a newer one is refused whole. Each
// record has a version of its own besides, which says how its value is written, so
// that a program which does not know it refuses that record alone: those of images
// with manifests or a subject are of version 2 in a store of format 1.
const Format = 1

const formatKey = "meta/format"

// FormatError says that a store was written by a newer version of this
// package. Its class is InvalidArgument.
type FormatError struct {
	// Found is the version of the store.
	Found int
	// Supported is the newest version that this package knows.
	Supported int
}

// Error names both versions.
func (e *FormatError) Error() string {
	return fmt.Sprintf("the store has format %d, but this program knows only those up to %d; use a newer one", e.Found, e.Supported)
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *FormatError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *FormatError) Is(target error) bool { return target == class.InvalidArgument }

// errNoFormat says that a map is empty: no format has been written yet.
var errNoFormat = errors.New("no format")

// checkFormat makes sure that the map is a store of this format or empty. An
// empty one becomes a store, unless it may not be changed.
func (s *Store) checkFormat(ctx context.Context) error {
	err := s.db.View(ctx, func(r kv.Reader) error { return readFormat(ctx, r) })
	if !errors.Is(err, errNoFormat) {
		return err
	}
	if s.readOnly {
		return nil
	}
	return s.db.Update(ctx, func(tx kv.Tx) error {
		if err := readFormat(ctx, tx); !errors.Is(err, errNoFormat) {
			return err
		}
		return tx.Put(ctx, []byte(formatKey), strconv.AppendInt(nil, Format, 10))
	})
}

// readFormat returns nil if the map has a format that is known, and
// errNoFormat if it is empty.
func readFormat(ctx context.Context, r kv.Reader) error {
	value, err := r.Get(ctx, []byte(formatKey))
	if errors.Is(err, kv.ErrNotFound) {
		return checkEmpty(ctx, r)
	}
	if err != nil {
		return err
	}
	found, err := strconv.Atoi(string(value))
	switch {
	case err != nil || found < 1:
		return record.Damaged([]byte(formatKey), "not a version")
	case found > Format:
		return &FormatError{Found: found, Supported: Format}
	default:
		return nil
	}
}

// checkEmpty returns errNoFormat if there is no key at all. Keys of something
// else are never taken for a store.
func checkEmpty(ctx context.Context, r kv.Reader) error {
	for entry, err := range r.Scan(ctx, nil) {
		if err != nil {
			return err
		}
		return class.Errorf(class.InvalidArgument, "this database is no store: it has no key %q, but others such as %q", formatKey, entry.Key)
	}
	return errNoFormat
}
