package jettison

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// LeaseOptions say what a lease is for.
type LeaseOptions struct {
	// Kind is what the lease is taken for: [conflict.LeasePull],
	// [conflict.LeaseBuild] or [conflict.LeaseCreate].
	Kind conflict.LeaseKind
	// Owner names who takes it, in words for the user who is refused: an ID of
	// a build or a container. It must not be empty.
	Owner string
	// Expires is when the lease ends by itself; zero means never.
	Expires time.Time
}

// A Lease keeps an image from being deleted until it is released or expires
// (rules L1 to L3). It is safe for concurrent use.
type Lease struct {
	// Lease is the record that others see.
	conflict.Lease
	// Image is the ID of the image.
	Image digest.Digest

	service *Service
}

// Lease resolves imageRef and takes a lease on the image in one atomic step
// (rule L3): after it returns, the image is there and no deletion takes it
// away. The error is of class NotFound when there is no such image,
// InvalidArgument for options that make no sense or a store without leases.
func (s *Service) Lease(ctx context.Context, imageRef string, opts LeaseOptions) (*Lease, error) {
	if err := opts.validate(s.now()); err != nil {
		return nil, err
	}
	lease := &Lease{
		Lease:   conflict.Lease{ID: rand.Text(), Kind: opts.Kind, Owner: opts.Owner, Expires: opts.Expires},
		service: s,
	}
	err := s.backend.Update(ctx, func(stores Stores) error {
		if stores.Leases == nil {
			return class.Errorf(class.InvalidArgument, "this store keeps no leases")
		}
		t, err := s.planner(stores).resolveReadable(ctx, imageRef)
		if err != nil {
			return err
		}
		lease.Image = t.id
		if err := removeExpired(ctx, stores.Leases, t.id, s.now()); err != nil {
			return err
		}
		return stores.Leases.Add(ctx, t.id, lease.Lease)
	})
	if err != nil {
		return nil, classify(err)
	}
	return lease, nil
}

// removeExpired removes the leases on the image that have expired.
func removeExpired(ctx context.Context, leases LeaseStore, image digest.Digest, now time.Time) error {
	all, err := leases.Leases(ctx, image)
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Live(now) {
			continue
		}
		if err := leases.Remove(ctx, image, l.ID); err != nil {
			return err
		}
	}
	return nil
}

// Release ends the lease. Releasing twice is no error, nor is it when the lease
// has expired (rule L2).
func (l *Lease) Release(ctx context.Context) error {
	if l.service == nil {
		return class.Errorf(class.InvalidArgument, "the lease was not taken by a service")
	}
	return classify(l.service.backend.Update(ctx, func(stores Stores) error {
		return stores.Leases.Remove(ctx, l.Image, l.ID)
	}))
}

func (o LeaseOptions) validate(now time.Time) error {
	switch o.Kind {
	case conflict.LeasePull, conflict.LeaseBuild, conflict.LeaseCreate:
	default:
		return class.Errorf(class.InvalidArgument, "unknown kind of lease %q: want pull, build or create", o.Kind)
	}
	if strings.TrimSpace(o.Owner) == "" {
		return class.Errorf(class.InvalidArgument, "a lease needs an owner")
	}
	if !o.Expires.IsZero() && !now.Before(o.Expires) {
		return class.Errorf(class.InvalidArgument, "a lease cannot expire in the past, at %s", o.Expires.Format(time.RFC3339))
	}
	return nil
}
