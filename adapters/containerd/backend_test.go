package containerd_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
)

// A context that has ended is Unavailable, and nothing has changed.
func TestEndedContext(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	ctx, cancel := context.WithCancel(t.Context())
	l.meter.before = func(name string) {
		if name == "content.Walk" {
			cancel()
		}
	}
	records, err := l.service.ImageDelete(ctx, "app:1", jettison.RemoveOptions{})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, jettison.ErrUnavailable) || len(records) != 0 {
		t.Errorf("got %v, %v", records, err)
	}
	if diff := cmp.Diff([]string{"docker.io/library/app:1"}, l.records(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Services that are missing make an error, not a panic.
func TestNewChecksServices(t *testing.T) {
	if _, err := containerd.New(containerd.Services{}, nil); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("New without services: %v", err)
	}
}
