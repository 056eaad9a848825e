package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"
)

// podmanKind is the kind of the stores that Podman works in.
func podmanKind() kind {
	return kind{
		name:  "podman",
		title: "a Podman store",
		check: func(_ *settings, rest string) error {
			if _, err := parsePodman(rest); err != nil {
				return err
			}
			return podmanBuilt()
		},
		open: func(ctx context.Context, s *settings, rest string, log *slog.Logger, fn func(*opened) error) error {
			place, err := parsePodman(rest)
			if err != nil {
				return err
			}
			return withPodman(ctx, s, place, log, fn)
		},
	}
}

// A podmanPlace says which store of Podman is meant. What is empty is as Podman
// has it by its configuration.
type podmanPlace struct {
	driver, root, runRoot string
}

// parsePodman reads what stands after "podman:", as transports of images write
// it: [DRIVER@]ROOT[+RUNROOT]. The run root begins with a slash, so that a plus
// may be part of a name.
func parsePodman(rest string) (podmanPlace, error) {
	var place podmanPlace
	if rest == "" {
		return place, nil
	}
	place.root = rest
	if driver, after, has := strings.Cut(rest, "@"); has && !strings.Contains(driver, "/") {
		place.driver, place.root = driver, after
		if driver == "" {
			return place, errors.Errorf("--store podman:%s: no driver before the @: %s", rest, podmanForm)
		}
	}
	if plus := strings.LastIndex(place.root, "+/"); plus >= 0 {
		place.root, place.runRoot = place.root[:plus], place.root[plus+1:]
	}
	if place.root == "" {
		return place, errors.Errorf("--store podman:%s: names no directory: %s", rest, podmanForm)
	}
	root, err := filepath.Abs(place.root)
	place.root = root
	return place, err
}

const podmanForm = "want podman, podman:ROOT or podman:DRIVER@ROOT+RUNROOT"
