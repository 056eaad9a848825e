package containerd_test

import (
	"errors"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// A lease keeps an image from every program: containerd's garbage collector keeps
// its content, and this one refuses to delete it. It ends when it is released.
func TestLeases(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	lease, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeaseCreate, Owner: "container db"})
	if err != nil {
		t.Fatal(err)
	}
	l.open(t, nil) // another program
	_, err = l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	if !errors.Is(err, jettison.ErrConflict) {
		t.Errorf("deletion of a leased image: %v", err)
	}
	if err := l.engine.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	l.collect(t)
	if _, err := l.Services.Content.Info(l.engine.In(t.Context()), id); err != nil {
		t.Errorf("content of a lease after another program removed the name: %v", err)
	}
	for range 2 {
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("release: %v", err)
		}
	}
	if left, err := l.Services.Leases.List(l.engine.In(t.Context())); err != nil || len(left) != 0 {
		t.Errorf("leases after the release: %v, %v", left, err)
	}
}

// A lease on an image that another program deletes at that moment is none (rule
// L3).
func TestLeaseOnAnImageThatGoes(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	l.meter.before = func(name string) {
		if name == "leases.Create" {
			if err := l.engine.Forget(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "me"})
	if !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("lease: %v", err)
	}
	if left, err := l.Services.Leases.List(l.engine.In(t.Context())); err != nil || len(left) != 0 {
		t.Errorf("leases left: %v, %v", left, err)
	}
}

// What another program keeps an image by cannot be ended here, and that is said.
func TestLeaseOfAnotherIsNotRemoved(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"a"}, "docker.io/library/app:1")
	ctx := l.engine.In(t.Context())
	made, err := l.Services.Leases.Create(ctx, leases.WithID("pull"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, made, leases.Resource{ID: id.String(), Type: "content"}))
	err = l.backend.Update(t.Context(), func(stores jettison.Stores) error {
		return stores.Leases.Remove(t.Context(), id, "pull")
	})
	wantRefusal(t, err, jettison.ErrConflict, "lease pull is another program's")
	left, err := l.Services.Leases.List(ctx)
	if err != nil || len(left) != 1 {
		t.Errorf("leases: got %v, %v, want that of the pull", left, err)
	}
}
