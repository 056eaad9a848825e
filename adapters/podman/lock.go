package podman

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/pkg/errors"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/jettison-oci/jettison/internal/class"
)

// How often a lock that others hold is tried again. A program at work on the store
// lets its locks go for an instant after each change: who looks seldom never sees it.
const (
	firstTry = time.Millisecond
	lastTry  = 4 * time.Millisecond
)

// await waits until each lock of the store could be had, one after another. The
// library waits for a lock without end and asks no context; so nobody lets it
// wait before the lock was seen free. It may be taken in between: whoever holds it
// then holds it for the moment of one change.
func (l layout) await(ctx context.Context, timeout time.Duration, may access) error {
	deadline := time.Now().Add(timeout)
	for _, path := range l.locks() {
		release, err := acquire(ctx, path, deadline, may)
		if err != nil {
			return err
		}
		release()
	}
	return l.checkLayers(ctx, deadline)
}

// awaitAdditional is await for the additional stores, which the library knows. Nobody
// changes them here, and their lock files need not be writable.
func (s *Store) awaitAdditional(ctx context.Context) error {
	driver, err := s.store.GraphDriver()
	if err != nil {
		return storageError(err)
	}
	deadline := time.Now().Add(s.timeout)
	for _, root := range driver.AdditionalImageStores() {
		for _, path := range []string{
			filepath.Join(s.layout.kind(root, "layers"), "layers.lock"),
			filepath.Join(s.layout.kind(root, "images"), "images.lock"),
		} {
			lock, err := lockfile.GetROLockFile(path)
			if err != nil {
				return systemError(err)
			}
			if err := wait(ctx, lock, path, deadline, reading); err != nil {
				return err
			}
			lock.Unlock()
		}
	}
	return nil
}

// takeTurn waits until no other Update runs, and returns what ends the turn. Whoever
// is next holds a lock of its own, so that one that updates again and again, as a prune
// does, is not always first.
func (l layout) takeTurn(ctx context.Context, timeout time.Duration) (end func(), err error) {
	deadline := time.Now().Add(timeout)
	next, err := acquire(ctx, l.nextUpdate(), deadline, writing)
	var locked *LockedError
	if errors.As(err, &locked) { // by one who waits, too
		return nil, &LockedError{Path: l.updates(), Holder: lockHolder(l.updates())}
	}
	if err != nil {
		return nil, err
	}
	defer next()
	return acquire(ctx, l.updates(), deadline, writing)
}

// acquire waits for the lock, and returns what lets it go.
func acquire(ctx context.Context, path string, deadline time.Time, may access) (release func(), err error) {
	lock, err := lockfile.GetLockFile(path)
	if err != nil {
		return nil, systemError(err)
	}
	if err := wait(ctx, lock, path, deadline, may); err != nil {
		return nil, err
	}
	return lock.Unlock, nil
}

// wait takes the lock as soon as it can be had.
func wait(ctx context.Context, lock *lockfile.LockFile, path string, deadline time.Time, may access) error {
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		if err := ctx.Err(); err != nil {
			return class.Errorf(class.Unavailable, "wait for %s: %w", path, err)
		}
		free, err := try(lock, may)
		switch {
		case err != nil || free:
			return err
		case !time.Now().Before(deadline):
			return &LockedError{Path: path, Holder: lockHolder(path)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// try takes the lock, unless somebody holds it. For reading nobody prevents that who
// only reads too.
func try(lock *lockfile.LockFile, may access) (free bool, err error) {
	if may == writing {
		err = lock.TryLock()
	} else {
		err = lock.TryRLock()
	}
	var path *fs.PathError // else somebody holds it
	if errors.As(err, &path) {
		return false, systemError(err)
	}
	return err == nil, nil
}
