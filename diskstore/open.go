package diskstore

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv"
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
// It removes what a crash has left, unless [Options.BackgroundRemoval] says that
// this can wait, and empties ingest/. When it fails, it
// leaves no new store behind. The time it takes does not depend on the number
// of images. Nil options mean the defaults.
//
// The error is a [*NotStoreError] when dir is something else; a
// [*boltkv.LockedError] when another process has the store open for writing,
// unless opts say read-only; a [*boltkv.BusyError] when it changes too fast to be
// read; a [*kvstore.FormatError] when a newer version wrote it; a
// [*boltkv.DamagedError] when its records are damaged, or gone while there is
// content; of class NotFound when
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
		files:    &blobs{dir: abs, fs: vfs.OS{}},
		garbage:  newGarbage(),
		doubts:   newDoubts(),
		log:      log,
		engine:   func(db kv.DB) kv.DB { return db },
	}, nil
}

// open does the work of Open on a store that has its fields. When it fails, it
// removes what it has made.
func (s *Store) open(ctx context.Context, opts *Options) error {
	fresh, err := s.prepare()
	if err == nil {
		err = s.openDB(ctx, opts)
	}
	if err == nil {
		if err = s.openRecords(ctx, opts); err != nil {
			s.closeFailed(ctx, fresh)
		}
	}
	if err != nil {
		s.files.removeMade()
	}
	return err
}

// openDB opens the file of the records. Its errors name the file.
func (s *Store) openDB(ctx context.Context, opts *Options) error {
	db, err := boltkv.Open(ctx, s.metaPath(), &boltkv.Options{
		ReadOnly:    opts.ReadOnly,
		LockTimeout: opts.LockTimeout,
		FS:          s.files.fs,
	})
	if err == nil {
		s.db, s.hasWriter = s.engine(db), db.HasWriter
	}
	return err
}

// openRecords makes sure that the open file has the records of this store, and
// completes and cleans the store.
func (s *Store) openRecords(ctx context.Context, opts *Options) error {
	blank, err := s.checkRecords(ctx)
	if err == nil && blank && !s.readOnly {
		err = s.begin()
	}
	if err == nil {
		s.records, err = kvstore.New(ctx, s.db, &kvstore.Options{
			ReadOnly:    opts.ReadOnly,
			Now:         opts.Now,
			NewID:       opts.NewID,
			MarkGarbage: true,
		})
	}
	if err == nil && !s.readOnly {
		err = s.recover()
	}
	if err == nil && !s.readOnly {
		err = s.beginRemoval(ctx, opts)
	}
	if err != nil {
		return class.Errorf(class.Unavailable, "store %s: %w", s.dir, err)
	}
	return nil
}

// checkRecords makes sure that the open file has records, or that there is no
// content either; then it is blank. Who only reads may come when another process
// has just made the store and begins to fill it; then a second look finds
// records.
func (s *Store) checkRecords(ctx context.Context) (blank bool, err error) {
	for first := true; ; first = false {
		if blank, err := s.isBlank(ctx); err != nil || !blank {
			return false, err
		}
		if err := s.checkLost(); err == nil || !first {
			return true, err
		}
	}
}

// begin prepares the directory of a store that has no records yet, so that all
// that can fail does so while there is still nothing to leave behind.
func (s *Store) begin() error {
	if err := s.files.makeDirs(); err != nil {
		return err
	}
	s.files.settleAbove()
	return s.files.settle()
}

// closeFailed closes the file of the records, and removes one that is fresh and
// still blank. Nobody else can have it open: whoever waits for it notices. It
// goes after the directories beside it, without which it is a new store, but
// they are none without it.
func (s *Store) closeFailed(ctx context.Context, fresh bool) {
	if fresh {
		s.files.removeMade()
		blank, err := s.isBlank(context.WithoutCancel(ctx))
		if err == nil && blank && s.files.none() {
			_ = s.files.remove(s.metaPath()) // a blank one can stay
		}
	}
	_ = s.db.Close() // the first error says more
}

// isBlank reports whether there is no record at all, not even that this is a
// store.
func (s *Store) isBlank(ctx context.Context) (bool, error) {
	blank := true
	err := s.db.View(ctx, func(r kv.Reader) error {
		for _, err := range r.Scan(ctx, nil) {
			blank = false
			return err
		}
		return nil
	})
	return blank, err
}

// prepare makes sure that the directory is a store or may become one. Fresh
// says that it has no file for records yet.
func (s *Store) prepare() (fresh bool, err error) {
	info, err := os.Stat(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.readOnly:
		return true, s.files.makeDir(s.dir)
	case errors.Is(err, fs.ErrNotExist):
		return false, class.Errorf(class.NotFound, "no store %s", s.dir)
	case err != nil:
		return false, unavailable(err)
	case !info.IsDir():
		return false, &NotStoreError{Dir: s.dir, Reason: "it is a file"}
	}
	info, err = os.Stat(s.metaPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, s.checkEntries()
	case err != nil:
		return false, unavailable(err)
	case info.Size() == 0:
		return false, s.checkLost()
	}
	return false, nil
}

// checkEntries makes sure that a directory without records is empty. What a
// file system keeps in its root for itself, and what a crash has left beside or
// of a file for records, does not count.
func (s *Store) checkEntries() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return unavailable(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case name == metaFile: // someone has made it since
			return nil
		case name != "lost+found" && !boltkv.IsUnfinished(name, metaFile) && !boltkv.IsNote(name, metaFile):
			return &NotStoreError{Dir: s.dir, Reason: "it has no " + metaFile + ", but " + name}
		}
	}
	if s.readOnly {
		return class.Errorf(class.NotFound, "no store %s: the directory is empty", s.dir)
	}
	return nil
}

// checkLost makes sure that where there are no records there is no content
// either: else the records are lost, and this is no new store (rule E3).
func (s *Store) checkLost() error {
	blob, err := s.files.any()
	if err == nil && blob != "" {
		err = &boltkv.DamagedError{Path: s.metaPath(), Err: errors.Errorf("it has no records, but there is content such as %s", blob)}
	}
	return err
}

func (s *Store) metaPath() string { return filepath.Join(s.dir, metaFile) }

// recover makes directories that someone has taken away, and removes the
// temporary files that a crash has left. Nobody else has it open now.
func (s *Store) recover() error {
	if err := s.files.makeDirs(); err != nil {
		return err
	}
	if err := s.files.settle(); err != nil {
		return err
	}
	return s.removeTemps()
}

// beginRemoval removes the content that a crash has left, now or in the
// background.
func (s *Store) beginRemoval(ctx context.Context, opts *Options) error {
	if opts.BackgroundRemoval {
		s.startBackground()
		return nil
	}
	if err := s.removeGarbage(ctx); err != nil {
		return err
	}
	s.finish(ctx, 1)
	return nil
}

// removeTemps removes every file from the directory of temporary files: a
// crash has ended the ingests that made them.
func (s *Store) removeTemps() error {
	dir := s.files.ingestDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unavailable(err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		if err := s.files.remove(filepath.Join(dir, entry.Name())); err != nil {
			s.log.Warn("cannot remove what an interrupted load has left", "error", err)
		}
	}
	return nil
}
