//go:build cgo && !exclude_graphdriver_btrfs

package main

import (
	"context"
	"log/slog"

	"github.com/pkg/errors"
)

// reentered does nothing: this program starts no process from itself.
func reentered() bool { return false }

// podmanBuilt says how to build a program that works on Podman's stores. With cgo
// their library wants the headers of btrfs, unless that driver is left out.
func podmanBuilt() error {
	return errors.New("this jettison was built without Podman's stores: build it with CGO_ENABLED=0, or with -tags exclude_graphdriver_btrfs")
}

func withPodman(context.Context, *settings, podmanPlace, *slog.Logger, func(*opened) error) error {
	return podmanBuilt()
}
