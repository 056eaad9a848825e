package diskstore

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
)

// metaFile is the file of the records. A directory is a store when it is there.
const metaFile = "meta.db"

// NotStoreError says that something else is in the place of a store. Its class
// is InvalidArgument.
type NotStoreError struct {
	// Dir is the path that was to be a store.
	Dir string
	// Reason says what it is instead.
	Reason string
}

// Error names the directory and what it is instead.
func (e *NotStoreError) Error() string { return e.Dir + " is not a store: " + e.Reason }

// InvalidParameter marks the error as of class InvalidArgument.
func (e *NotStoreError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *NotStoreError) Is(target error) bool { return target == class.InvalidArgument }

// Open opens the store in dir, and makes one there if dir is missing or empty.
// It removes what a crash has left. The time it takes does not depend on the
// number of images. Nil options mean the defaults.
//
// The error is a [*NotStoreError] when dir is something else; a
// [*boltkv.LockedError] when another process has the store open; a
// [*kvstore.FormatError] when a newer version wrote it; a
// [*boltkv.DamagedError] when its records are damaged; of class NotFound when
// there is no store to be read; and of class Unavailable when rights or space
// are missing. It names the directory.
func Open(ctx context.Context, dir string, opts *Options) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s, err := newStore(dir, opts)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// newStore returns a store that is not open.
func newStore(dir string, opts *Options) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, class.Errorf(class.Unavailable, "store %s: %w", dir, err)
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Store{
		dir:      abs,
		readOnly: opts.ReadOnly,
		files:    &blobs{dir: abs},
		garbage:  newGarbage(),
		log:      log,
	}, nil
}

// open does the work of Open on a store that has its fields.
func (s *Store) open(ctx context.Context, opts *Options) error {
	if err := s.prepare(); err != nil {
		return err
	}
	db, err := boltkv.Open(ctx, filepath.Join(s.dir, metaFile), &boltkv.Options{
		ReadOnly:    opts.ReadOnly,
		LockTimeout: opts.LockTimeout,
	})
	if err != nil {
		return err
	}
	s.db = db
	s.records, err = kvstore.New(ctx, db, &kvstore.Options{
		ReadOnly:    opts.ReadOnly,
		MarkGarbage: true,
		Now:         opts.Now,
		NewID:       opts.NewID,
	})
	if err == nil && !s.readOnly {
		err = s.recover(ctx)
	}
	if err != nil {
		_ = db.Close() // the first error says more
		return class.Errorf(class.Unavailable, "store %s: %w", s.dir, err)
	}
	return nil
}

// prepare makes sure that the directory is a store or may become one.
func (s *Store) prepare() error {
	info, err := os.Stat(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.readOnly:
		return s.files.makeDir(s.dir)
	case errors.Is(err, fs.ErrNotExist):
		return class.Errorf(class.NotFound, "no store %s", s.dir)
	case err != nil:
		return unavailable(err)
	case !info.IsDir():
		return &NotStoreError{Dir: s.dir, Reason: "it is a file"}
	}
	return s.checkEntries()
}

// checkEntries makes sure that a directory has the records of a store, or is
// empty. What a file system keeps in its root for itself does not count.
func (s *Store) checkEntries() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return unavailable(err)
	}
	foreign := ""
	for _, entry := range entries {
		switch entry.Name() {
		case metaFile:
			return nil
		case "lost+found":
		default:
			foreign = entry.Name()
		}
	}
	switch {
	case foreign != "":
		return &NotStoreError{Dir: s.dir, Reason: "it has no " + metaFile + ", but " + foreign}
	case s.readOnly:
		return class.Errorf(class.NotFound, "no store %s: the directory is empty", s.dir)
	}
	return nil
}

// recover completes a new store and removes what a crash has left in an old
// one. Nobody else has it open now.
func (s *Store) recover(ctx context.Context) error {
	if err := s.files.makeDirs(); err != nil {
		return err
	}
	if err := s.files.syncDir(s.dir); err != nil {
		return err
	}
	if err := s.removeTemps(); err != nil {
		return err
	}
	if err := s.removeGarbage(ctx); err != nil {
		return err
	}
	s.finish(ctx)
	return nil
}

// removeTemps removes the temporary files of ingests that a crash has ended,
// and nothing that has another name.
func (s *Store) removeTemps() error {
	dir := s.files.ingestDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unavailable(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), tempPrefix) {
			continue
		}
		if err := s.files.remove(filepath.Join(dir, entry.Name())); err != nil {
			s.log.Warn("cannot remove what an interrupted load has left", "error", err)
		}
	}
	return nil
}
