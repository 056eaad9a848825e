package podman

import (
	"context"
	"io/fs"
	"time"

	"github.com/pkg/errors"
	"go.podman.io/storage/pkg/lockfile"

	"github.com/jettison-oci/jettison/internal/class"
)

// How often a lock that others hold is tried again.
const (
	firstTry = time.Millisecond
	lastTry  = 50 * time.Millisecond
)

// await waits until each lock of the store could be had, one after another. The
// library waits for a lock without end and asks no context; so nobody lets it
// wait before the lock was seen free. It may be taken in between: whoever holds it
// then holds it for the moment of one change.
func (l layout) await(ctx context.Context, timeout time.Duration, may access) error {
	deadline := time.Now().Add(timeout)
	for _, path := range l.locks() {
		if err := awaitLock(ctx, path, deadline, may, nil); err != nil {
			return err
		}
	}
	return l.checkLayers(ctx, deadline)
}

// awaitLock waits until the lock is free, and runs fn, if there is one, while it
// is held.
func awaitLock(ctx context.Context, path string, deadline time.Time, may access, fn func() error) error {
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		if err := ctx.Err(); err != nil {
			return class.Errorf(class.Unavailable, "wait for %s: %w", path, err)
		}
		free, err := tryLock(path, may, fn)
		if err != nil || free {
			return err
		}
		if !time.Now().Before(deadline) {
			return &LockedError{Path: path, Holder: lockHolder(path)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// tryLock runs fn with the lock held and reports whether it could be had. For
// reading nobody prevents it who only reads too.
func tryLock(path string, may access, fn func() error) (bool, error) {
	lock, err := lockfile.GetLockFile(path)
	if err != nil {
		return false, systemError(err)
	}
	try := lock.TryRLock
	if may == writing {
		try = lock.TryLock
	}
	if err := try(); err != nil {
		var path *fs.PathError // else somebody holds it
		if errors.As(err, &path) {
			return false, systemError(err)
		}
		return false, nil
	}
	defer lock.Unlock()
	if fn == nil {
		return true, nil
	}
	return true, fn()
}
