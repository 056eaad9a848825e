package jettison_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

func wantClass(t *testing.T, name string, err error, class string) {
	t.Helper()
	if diff := cmp.Diff([]string{class}, scripttest.Classes(err)); diff != "" {
		t.Errorf("%s: classes of %q (-want +got):\n%s", name, fmt.Sprint(err), diff)
	}
}

// E1: sentinels and typed errors, as they are and wrapped, are of one class;
// sentinel, marker method and containerd's errdefs agree.
func TestErrorTypes(t *testing.T) {
	id := digest.FromString("app")
	for _, c := range []struct {
		name  string
		err   error
		class string
	}{
		{"ErrInvalidArgument", jettison.ErrInvalidArgument, "InvalidArgument"},
		{"ErrNotFound", jettison.ErrNotFound, "NotFound"},
		{"ErrConflict", jettison.ErrConflict, "Conflict"},
		{"ErrUnavailable", jettison.ErrUnavailable, "Unavailable"},
		{"ErrInternal", jettison.ErrInternal, "Internal"},
		{"AmbiguousError", &jettison.AmbiguousError{Prefix: "abcd", Candidates: []digest.Digest{id}}, "InvalidArgument"},
		{"conflict.Error", &conflict.Error{Image: id, Conflicts: []conflict.Conflict{{Kind: conflict.DependentChild, Child: id}}}, "Conflict"},
		{"UnreadableError", &imagestore.UnreadableError{ID: id, Err: errors.New("short")}, "Internal"},
	} {
		wantClass(t, c.name, c.err, c.class)
		wantClass(t, c.name+" wrapped", fmt.Errorf("outer: %w", c.err), c.class)
		wantClass(t, c.name+" joined", errors.Join(errors.New("other"), c.err), c.class)
	}
}

func TestAmbiguousErrorText(t *testing.T) {
	err := &jettison.AmbiguousError{Prefix: "abcd", Candidates: []digest.Digest{"sha256:abcd1", "sha256:abcd2"}}
	if got, want := err.Error(), `image ID prefix "abcd" is ambiguous, it fits: sha256:abcd1, sha256:abcd2`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A failing backend answers every question about an image or a reference with
// an error.
type failing struct {
	jettison.Backend
	err error
}

func (b failing) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

func (b failing) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

func (b failing) stores(stores jettison.Stores) jettison.Stores {
	stores.Images.ImageStore = failingImages{stores.Images, b.err}
	stores.References.ReferenceStore = failingReferences{stores.References, b.err}
	return stores
}

type failingImages struct {
	jettison.ImageStore
	err error
}

func (s failingImages) Get(context.Context, digest.Digest) (imagestore.Image, error) {
	return imagestore.Image{}, s.err
}

type failingReferences struct {
	jettison.ReferenceStore
	err error
}

func (s failingReferences) Get(context.Context, reference.Named) (digest.Digest, error) {
	return "", s.err
}

// E1: an error of a store keeps its class, be it that of another module, and
// one without a class is Internal. The error itself stays in the chain.
func TestErrorsOfStores(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, "app:1")
	for _, c := range []struct {
		err   error
		class string
	}{
		{errors.New("disk on fire"), "Internal"},
		{context.DeadlineExceeded, "Unavailable"},
		{context.Canceled, "Unavailable"},
		{errdefs.ErrUnavailable, "Unavailable"},
		{fmt.Errorf("ask the daemon: %w", errdefs.ErrInternal), "Internal"},
		{jettison.ErrUnavailable, "Unavailable"},
	} {
		s := jettison.New(failing{m.store, c.err}, nil)
		for what, call := range map[string]func(typed string) error{
			"ImageDelete": func(typed string) error {
				_, err := s.ImageDelete(t.Context(), typed, jettison.RemoveOptions{})
				return err
			},
			"PlanDelete": func(typed string) error {
				_, err := s.PlanDelete(t.Context(), []string{typed}, jettison.RemoveOptions{})
				return err
			},
			"Lease": func(typed string) error {
				_, err := s.Lease(t.Context(), typed, jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "p"})
				return err
			},
		} {
			for _, typed := range []string{"app:1", id.String()} {
				err := call(typed)
				name := fmt.Sprintf("%s(%.12s) with %v", what, typed, c.err)
				wantClass(t, name, err, c.class)
				if !errors.Is(err, c.err) {
					t.Errorf("%s: the store's error is not in the chain of %v", name, err)
				}
			}
		}
	}
}

// E1: what a caller does wrong, finds missing or runs into.
func TestErrorsOfService(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, "app:1", "app:2")
	lease := m.lease("app:1")
	bare := jettison.New(noLeases{m.store}, nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	remove := func(typed string, opts jettison.RemoveOptions) error {
		_, err := m.ImageDelete(t.Context(), typed, opts)
		return err
	}
	take := func(s *jettison.Service, typed string, kind conflict.LeaseKind, owner string) error {
		_, err := s.Lease(t.Context(), typed, jettison.LeaseOptions{Kind: kind, Owner: owner})
		return err
	}
	_, applied := m.Apply(t.Context(), nil)
	_, planned := m.PlanDelete(cancelled, []string{"app:1"}, jettison.RemoveOptions{})
	for _, c := range []struct {
		name  string
		err   error
		class string
	}{
		{"blank", remove("", jettison.RemoveOptions{}), "InvalidArgument"},
		{"malformed", remove("App", jettison.RemoveOptions{}), "InvalidArgument"},
		{"two platforms", remove("app:1", jettison.RemoveOptions{Platforms: make([]ocispec.Platform, 2)}), "InvalidArgument"},
		{"missing name", remove("nothing", jettison.RemoveOptions{}), "NotFound"},
		{"missing ID", remove(digest.FromString("nothing").String(), jettison.RemoveOptions{}), "NotFound"},
		{"other platform", remove("app:1", jettison.RemoveOptions{Platforms: []ocispec.Platform{platform("plan9/386")}}), "NotFound"},
		{"leased", remove(id.String(), jettison.RemoveOptions{Force: true}), "Conflict"},
		{"no plan", applied, "InvalidArgument"},
		{"cancelled plan", planned, "Unavailable"},
		{"cancelled release", lease.Release(cancelled), "Unavailable"},
		{"unknown kind of lease", take(m.Service, "app:1", "sweep", "p"), "InvalidArgument"},
		{"lease without owner", take(m.Service, "app:1", conflict.LeasePull, " "), "InvalidArgument"},
		{"lease on nothing", take(m.Service, "nothing", conflict.LeasePull, "p"), "NotFound"},
		{"store without leases", take(bare, "app:1", conflict.LeasePull, "p"), "InvalidArgument"},
	} {
		wantClass(t, c.name, c.err, c.class)
	}
}

// A backend that keeps neither leases nor containers.
type noLeases struct{ *kvstore.Store }

func (b noLeases) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Store.Update(ctx, func(stores jettison.Stores) error {
		stores.Leases, stores.Containers = nil, jettison.Containers{}
		return fn(stores)
	})
}

// Where nothing knows of leases and containers, they are not in the way.
func TestDeleteWithoutLeasesAndContainers(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, "app:1")
	running(m, id)
	records, err := jettison.New(noLeases{m.store}, nil).ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if diff := cmp.Diff([]string{"Untagged: app:1", "Deleted: " + id.String()}, lines(records)); diff != "" || err != nil {
		t.Errorf("error %v, records (-want +got):\n%s", err, diff)
	}
}
