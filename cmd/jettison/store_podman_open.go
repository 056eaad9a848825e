//go:build !cgo || exclude_graphdriver_btrfs

package main

import (
	"context"
	"log/slog"

	"github.com/pkg/errors"
	"go.podman.io/storage/pkg/reexec"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/internal/class"
)

// reentered does the work of a process that the library of Podman's stores has
// started from this program for a part of its own, and reports whether it was
// one.
func reentered() bool { return reexec.Init() }

// podmanBuilt says whether this program can work on Podman's stores.
func podmanBuilt() error { return nil }

// withPodman runs fn on a store of Podman.
func withPodman(ctx context.Context, s *settings, place podmanPlace, log *slog.Logger, fn func(*opened) error) (err error) {
	wait := s.wait
	if wait == 0 {
		wait = -1 // the default of the package is another
	}
	store, err := podman.Open(ctx, &podman.Options{
		GraphRoot: place.root, RunRoot: place.runRoot, Driver: place.driver, LockTimeout: wait, Logger: log,
	})
	if err != nil {
		return podmanError(err)
	}
	defer func() {
		if closeErr := store.Close(); err == nil {
			err = closeErr
		}
	}()
	service := jettison.New(store, &jettison.Options{Logger: log})
	return podmanError(fn(&opened{Backend: store, service: service, config: store.Config, batch: podmanBatch}))
}

// podmanBatch is how many images of such a store a prune looks at at a time. A deletion
// takes some 50 milliseconds there, so that others wait about half a second, which is
// below the default of --wait. Smaller batches gain nobody anything, and every batch
// has to look at the whole store.
const podmanBatch = 10

// podmanError tells the user of the command what to do.
func podmanError(err error) error {
	var locked *podman.LockedError
	if errors.As(err, &locked) {
		return class.Errorf(class.Unavailable, "%w; --wait says how long to wait for it", err)
	}
	return err
}
