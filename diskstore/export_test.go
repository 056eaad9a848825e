package diskstore

import (
	"context"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// ClearLimit is how many marks of removed files are kept at most.
const ClearLimit = clearLimit

// OpenStepping is Open of a store that calls before ahead of each step that
// changes files; a step does not happen when it fails.
func OpenStepping(ctx context.Context, dir string, opts *Options, before func(step, path string) error) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s, err := newStore(dir, opts)
	if err != nil {
		return nil, err
	}
	s.files.before = func(o op, path string) error { return before(string(o), path) }
	return s, s.open(ctx, opts)
}

// Wrap puts something between the store and its records.
func (s *Store) Wrap(ctx context.Context, wrap func(kv.DB) kv.DB) (err error) {
	s.records, err = kvstore.New(ctx, wrap(s.db), nil)
	return err
}
