package podman

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/pkg/errors"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/mount"

	"github.com/jettison-oci/jettison/internal/class"
)

// closeTimeout is how long Close waits for locks at most: whoever holds them will
// close the store as well.
const closeTimeout = time.Second

// Close waits for what runs and ends the use of the store: every View and Update
// after it is an error of class InvalidArgument. Closing twice is no error. No record
// changes. Where Open has opened the store of the driver overlay, what the library has
// mounted for that is unmounted, as Podman does when it ends. The library keeps what it
// has read until the process ends.
func (s *Store) Close() error {
	if err := s.running.Acquire(context.Background(), views); err != nil {
		return class.Wrap(class.Internal, err) // not without an end of the context
	}
	defer s.running.Release(views)
	if s.closed {
		return nil
	}
	s.closed = true
	if !s.opened {
		return nil
	}
	return s.unmountHome()
}

// unmountHome lets the library end the mount of the driver's directory on itself. To
// be left mounted harms nobody, but keeps the directory from being removed.
func (s *Store) unmountHome() error {
	if !s.layout.homeIsMounted() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.layout.await(ctx, s.timeout, writing); err != nil {
		return nil //nolint:nilerr // it is left to those who are in the way
	}
	_, err := s.store.Shutdown(false)
	if errors.Is(err, storage.ErrLayerUsedByContainer) { // or by whoever has mounted an image
		return nil
	}
	return storageError(err)
}

// homeIsMounted reports whether the driver's directory is mounted on itself, and
// nothing in it is mounted: that would go too, also where it belongs to a container of
// which this run root does not know. A file system of its own stays.
func (l layout) homeIsMounted() bool {
	home, err := filepath.EvalSymlinks(filepath.Join(l.root, l.driver))
	if err != nil || !sameDevice(home, filepath.Dir(home)) {
		return false
	}
	all, err := mount.GetMounts()
	if err != nil {
		return false
	}
	mounted := false
	for _, m := range all {
		if strings.HasPrefix(m.Mountpoint, home+string(filepath.Separator)) {
			return false
		}
		mounted = mounted || m.Mountpoint == home
	}
	return mounted
}
