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

// In a namespace that is not the one meant there is no such image, a prune finds
// nothing, and looking does not make the namespace.
func TestWrongNamespace(t *testing.T) {
	l := newLab(t, &containerd.Options{Namespace: "elsewhere"})
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	_, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{Force: true})
	wantRefusal(t, err, jettison.ErrNotFound, "app:1")
	report, err := l.service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	if err != nil || len(report.ImagesDeleted) > 0 {
		t.Errorf("prune: %v, %v", report.ImagesDeleted, err)
	}
	if diff := cmp.Diff([]string{"docker.io/library/app:1"}, l.records(t)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	there, err := l.Services.Namespaces.List(t.Context())
	must(t, err)
	if diff := cmp.Diff([]string{"default"}, there); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
}
