package containerd_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
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

// What was begun is taken back when the context ends in the middle, but a daemon
// that does not answer any more is not waited for.
func TestTakingBackDoesNotWait(t *testing.T) {
	for name, do := range map[string]func(context.Context, *lab) error{
		"lease": func(ctx context.Context, l *lab) error {
			_, err := l.service.Lease(ctx, "multi:1", jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "me"})
			return err
		},
		"platform": func(ctx context.Context, l *lab) error {
			_, err := l.service.ImageDelete(ctx, "multi:1", withoutArm())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			must(t, l.engine.Pull(t.Context(), fixture.NewObject(multi(), fixture.Snapshotter), "", "docker.io/library/multi:1"))
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				l.Services.Leases = silentLeases{l.Services.Leases}
				l.open(t, nil)
				began := time.Now()
				wantRefusal(t, do(ctx, l), jettison.ErrUnavailable, "")
				if took := time.Since(began); took > 2*time.Minute {
					t.Errorf("it took %s to give up, want not much more than the minute of the context", took)
				}
			})
		})
	}
}

// silentLeases are those of a daemon that has stopped after a lease was made.
type silentLeases struct{ leases.Manager }

func (silentLeases) AddResource(ctx context.Context, _ leases.Lease, _ leases.Resource) error {
	return silence(ctx)
}

func (silentLeases) Delete(ctx context.Context, _ leases.Lease, _ ...leases.DeleteOpt) error {
	return silence(ctx)
}

// silence is what a call gets that is never answered.
func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A lease on the record of an image is one on the image. So daemons since 2.1 know it.
func TestLeaseOnARecord(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	ctx := l.engine.In(t.Context())
	holder, err := l.Services.Leases.Create(ctx, leases.WithID("holder"))
	must(t, err)
	must(t, l.Services.Leases.AddResource(ctx, holder, leases.Resource{ID: "docker.io/library/app:1", Type: "images"}))
	_, err = l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	wantRefusal(t, err, jettison.ErrConflict, "lease holder")
}

// When the only name of an image moves while a lease on it is taken, the lease is taken
// back.
func TestLeaseOnAnImageThatMoves(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	next := l.pull(t, "next", []string{"next"}, "docker.io/library/next:1")
	ctx := l.engine.In(t.Context())
	l.meter.before = func(name string) {
		if name == "leases.AddResource" {
			target, err := l.Services.Images.Get(ctx, "docker.io/library/next:1")
			must(t, err)
			_, err = l.Services.Images.Update(ctx, images.Image{Name: "docker.io/library/app:1", Target: target.Target}, "target")
			must(t, err)
		}
	}
	_, err := l.service.Lease(t.Context(), "app:1", jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "test"})
	wantRefusal(t, err, jettison.ErrNotFound, "")
	left, err := l.Services.Leases.List(ctx)
	if must(t, err); len(left) > 0 || l.targets(t)[0] != next {
		t.Errorf("leases are left: %v", left)
	}
}
