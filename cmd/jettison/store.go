package main

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
	"github.com/spf13/cobra"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/ocilayout"
)

// An opened store with the service that deletes from it.
type opened struct {
	jettison.Backend
	service *jettison.Service
	// disk and layout are the store itself, for what only a store of that kind
	// can do; nil for one of another kind.
	disk   *diskstore.Store
	layout *ocilayout.Layout
	// config reads the configuration of an image where that is all that can be
	// read of its content; otherwise nil.
	config func(ctx context.Context, image digest.Digest) ([]byte, error)
	// batch is how many images a prune looks at before it lets others work on the
	// store; zero is the default of the service.
	batch int
}

// defaultStore is $JETTISON_STORE, else a directory among the user's data, as
// the XDG base directory specification places it.
func defaultStore() string {
	if dir := os.Getenv("JETTISON_STORE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "jettison")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "jettison-store"
	}
	return filepath.Join(home, ".local", "share", "jettison")
}

// check refuses settings that make no sense, before anything is opened.
func (s *settings) check() error {
	if s.format != formatText && s.format != formatJSON {
		return errors.Errorf("unknown --format %q: want text or json", s.format)
	}
	if s.wait < 0 {
		return errors.Errorf("--wait %s: want zero or more", s.wait)
	}
	return s.checkStoreName()
}

// layoutDir returns the directory of an OCI image layout, if the store is one.
func (s *settings) layoutDir() (dir string, is bool) { return strings.CutPrefix(s.store, "oci:") }

// dir is the directory of the store; empty when it has none that is known.
func (s *settings) dir() string {
	if dir, is := s.layoutDir(); is {
		return dir
	}
	if _, _, has := s.kind(); has {
		return ""
	}
	return s.store
}

// read runs fn on the store as it is. Others may read and change it meanwhile.
func (s *settings) read(cmd *cobra.Command, fn func(*opened) error) error {
	return s.with(cmd, diskstore.Options{ReadOnly: true}, fn)
}

// change runs fn on a store that is there, and that nobody else changes.
func (s *settings) change(cmd *cobra.Command, fn func(*opened) error) error {
	if _, _, has := s.kind(); has {
		return s.with(cmd, diskstore.Options{}, fn)
	}
	_, err := os.Stat(filepath.Join(s.store, "meta.db"))
	missing := errors.Is(err, fs.ErrNotExist) // opening it for reading says what is there instead
	return s.with(cmd, diskstore.Options{ReadOnly: missing}, fn)
}

// create is change that makes the store if it is not there yet.
func (s *settings) create(cmd *cobra.Command, fn func(*opened) error) error {
	return s.with(cmd, diskstore.Options{}, fn)
}

// with opens the store, runs fn and closes the store again.
func (s *settings) with(cmd *cobra.Command, opts diskstore.Options, fn func(*opened) error) (err error) {
	log := s.logger(cmd.ErrOrStderr())
	if k, rest, has := s.kind(); has {
		return k.open(cmd.Context(), s, rest, log, fn)
	}
	opts.Logger, opts.LockTimeout = log, max(s.wait, time.Nanosecond)
	store, err := diskstore.Open(cmd.Context(), s.store, &opts)
	if err != nil {
		return s.openError(err)
	}
	defer func() {
		if closeErr := store.Close(); err == nil {
			err = closeErr
		}
	}()
	return fn(&opened{Backend: store, service: jettison.New(store, &jettison.Options{Logger: log}), disk: store})
}

// withLayout is with for an OCI image layout.
func withLayout(ctx context.Context, s *settings, dir string, log *slog.Logger, fn func(*opened) error) error {
	wait := s.wait
	if wait == 0 {
		wait = -1 // the default of the package is another
	}
	layout, err := ocilayout.Open(ctx, dir, &ocilayout.Options{Logger: log, LockTimeout: wait})
	if err != nil {
		return err
	}
	return fn(&opened{Backend: layout, layout: layout, service: jettison.New(layout, &jettison.Options{Logger: log})})
}

// openError tells the user of the command what to do.
func (s *settings) openError(err error) error {
	var (
		locked *boltkv.LockedError
		busy   *boltkv.BusyError
	)
	switch {
	case errors.As(err, &busy):
		return class.Errorf(class.Unavailable, "%w; --wait says how long to try", err)
	case errors.As(err, &locked):
		return class.Errorf(class.Unavailable, "%w; --wait says how long to wait for it", err)
	case errors.Is(err, jettison.ErrNotFound):
		return class.Errorf(class.NotFound, "no store at %s; load creates one", s.store)
	}
	return err
}
