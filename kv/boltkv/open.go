package boltkv

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pkg/errors"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// Options say how a file is opened. The zero value is the safe default.
type Options struct {
	// ReadOnly opens an existing file without writing to it and without a lock
	// on it: others may write to it meanwhile, and do not wait. Each View sees
	// the last commit before it began. It reads a copy of the file in the
	// directory for temporary files, which is made anew after each commit and
	// costs as much time and room as the file has bytes in use.
	ReadOnly bool
	// LockTimeout is how long Open waits for whoever has the file open for
	// writing; read-only, how long Open and each View try to copy a file to which
	// commits are made all the time. Zero means one second; a negative value
	// tries once.
	LockTimeout time.Duration
	// NoSync leaves it to the system when to write to disk. A machine that
	// stops may then leave a damaged file behind. It is for files that can be
	// thrown away.
	NoSync bool
	// FS is what the file is made through: the tests of this module make it
	// fail. Nil means the file system of the machine.
	FS vfs.FS
}

const (
	defaultLockTimeout = time.Second
	lockRetry          = 20 * time.Millisecond
)

// Open opens the file at path, and creates it, readable by its owner alone
// (mode 0600), unless it is there or opts say read-only. It creates the whole
// file or none: a crash or a full disk leaves at most a file that
// [IsUnfinished], and of several who create it at once all get the same one. An
// empty file counts as one to be created. A nil opts is the default. Its time
// does not depend on the number of entries.
//
// When someone else has the file open for writing for longer than the lock
// timeout, the error is a [*LockedError] that names who; when the context ends
// first, it is the context's. Read-only, it is a [*BusyError] when commits come
// too fast. A file that is damaged, cut short or another program's is a
// [*DamagedError] and stays as it is. A missing directory, or a missing file
// when read-only, is of class NotFound, something that is no file of class
// InvalidArgument, and what else the system refuses of class Unavailable; the
// last wrap the system's error, and all name the path.
func Open(ctx context.Context, path string, opts *Options) (*DB, error) {
	if opts == nil {
		opts = &Options{}
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, class.Errorf(class.InvalidArgument, "open %s: not a regular file", path)
	}
	timeout := opts.LockTimeout
	if timeout == 0 {
		timeout = defaultLockTimeout
	}
	db := &DB{path: path, fs: opts.FS, gate: txn.NewGate(path)}
	if db.fs == nil {
		db.fs = vfs.OS{}
	}
	if opts.ReadOnly {
		db.follower = newFollower(db, timeout)
		snap, err := db.follower.acquire(ctx)
		if err != nil {
			db.follower.close()
			return nil, err
		}
		db.follower.release(snap)
		return db, nil
	}
	if err := db.openLocked(ctx, opts, timeout); err != nil {
		return nil, err
	}
	return db, nil
}

// openLocked opens the file for writing.
func (db *DB) openLocked(ctx context.Context, opts *Options, timeout time.Duration) error {
	if err := db.waitOpen(ctx, opts, timeout); err != nil {
		return err
	}
	err := db.check(db.bolt, db.file)
	if err == nil && !opts.NoSync {
		err = db.settle()
	}
	if err != nil {
		_ = db.Close() // the first error tells more
		return err
	}
	db.removeUnfinished()
	db.pins.db = db
	db.note = db.writeNote()
	return nil
}

// settle makes the name of a file without entries durable: without it the first
// Update could be lost with the file, also when it was a process that died which
// made the file. What cannot be made durable is removed again. Nobody else has
// it open, and whoever waits for it notices.
func (db *DB) settle() error {
	blank := false
	err := db.guard(func() error {
		return db.bolt.View(func(tx *bolt.Tx) error {
			first, _ := tx.Cursor().First()
			blank = first == nil
			return nil
		})
	})
	if err != nil || !blank {
		return class.Wrap(class.Unavailable, err)
	}
	if err = db.fs.SyncDir(filepath.Dir(db.path)); err != nil {
		_ = db.fs.Remove(db.path) // a blank one can stay
	}
	return vfs.Unavailable(db.rename(err))
}

// waitOpen tries to open the file until nobody else has it open. Bbolt's own
// wait knows no context, so each try gives up at once.
func (db *DB) waitOpen(ctx context.Context, opts *Options, timeout time.Duration) error {
	giveUp := time.Now().Add(timeout)
	for {
		if err := ctx.Err(); err != nil {
			return class.Errorf(class.Unavailable, "open %s: %w", db.path, err)
		}
		err := db.tryOpen(opts)
		if !errors.Is(err, bolterrors.ErrTimeout) && !errors.Is(err, errAgain) {
			return db.openError(err)
		}
		if time.Now().After(giveUp) {
			return &LockedError{Path: db.path, Holder: db.holder()}
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockRetry):
		}
	}
}

func (db *DB) tryOpen(opts *Options) error {
	if err := db.prepare(); err != nil {
		return err
	}
	if err := db.openBolt(opts); err != nil {
		return err
	}
	err := db.current()
	if err != nil {
		_ = db.bolt.Close() // nothing was written
	}
	return err
}

// openBolt opens and locks a file that is there.
func (db *DB) openBolt(opts *Options) error {
	err := db.guard(func() (err error) {
		db.bolt, err = bolt.Open(db.path, 0o600, &bolt.Options{
			Timeout:      1, // the shortest there is: one try
			NoSync:       opts.NoSync,
			NoGrowSync:   opts.NoSync,
			FreelistType: bolt.FreelistMapType, // the array slows down as files age
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
				file, err := os.OpenFile(name, flag&^os.O_CREATE, mode) //nolint:gosec // the caller's path
				db.file = file
				if errors.Is(err, fs.ErrNotExist) {
					err = errAgain // someone has removed it since
				}
				return file, err
			},
		})
		return err
	})
	if isDamage(err) {
		release(db.file) // bbolt panicked and left it open
	}
	return err
}

// openError gives an error of bbolt's Open its class. What is not the
// system's is about what the file holds.
func (db *DB) openError(err error) error {
	var (
		pathError *fs.PathError
		errno     syscall.Errno
	)
	switch {
	case err == nil, class.Of(err) != nil:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return class.Wrap(class.NotFound, err)
	case errors.As(err, &pathError):
		return vfs.Unavailable(err)
	case errors.As(err, &errno):
		return vfs.Unavailable(fmt.Errorf("open %s: %w", db.path, err))
	}
	return db.damaged(err)
}

// check looks at what bbolt does not: whether the file is as long as it says,
// and whether it is one of ours.
func (db *DB) check(opened *bolt.DB, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return vfs.Unavailable(err)
	}
	return db.guard(func() error {
		return opened.View(func(tx *bolt.Tx) error {
			if want := tx.Size(); info.Size() < want {
				return db.damaged(errors.Errorf("cut short: %d bytes instead of %d", info.Size(), want))
			}
			if first, _ := tx.Cursor().First(); first != nil && tx.Bucket([]byte(bucketName)) == nil {
				return db.damaged(errors.Errorf("the database of another program, with a bucket %q", first))
			}
			return nil
		})
	})
}
