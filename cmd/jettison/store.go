package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

// An opened store with the service that deletes from it.
type opened struct {
	*diskstore.Store
	service *jettison.Service
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
	if s.store == "" {
		return errors.New("--store is empty: want a directory")
	}
	kind, _, _ := strings.Cut(s.store, ":")
	switch kind {
	case "oci", "docker", "containerd", "podman":
		return errors.Errorf("--store %q: this version works on directories only; write ./%s for a directory of that name", s.store, s.store)
	}
	return nil
}

// with opens the store, runs fn and closes the store again.
func (s *settings) with(ctx context.Context, fn func(*opened) error) (err error) {
	store, err := diskstore.Open(ctx, s.store, nil)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := store.Close(); err == nil {
			err = closeErr
		}
	}()
	return fn(&opened{Store: store, service: jettison.New(store, nil)})
}
