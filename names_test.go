package jettison_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/storetest"
)

// D16: what a text meant when it was resolved decides whether it is the same
// name again; the beginning of an ID is no name.
func TestSameNameTwice(t *testing.T) {
	for _, c := range []struct {
		name  string
		typed func(id digest.Digest) []string
		want  []string // errors
	}{
		{"a name", func(digest.Digest) []string { return []string{"app:1", "docker.io/library/app:1"} }, []string{"", ""}},
		{"an ID", func(id digest.Digest) []string { return []string{id.String(), id.Encoded()} }, []string{"", ""}},
		{"a prefix", func(id digest.Digest) []string { return []string{hex(id, 6), hex(id, 6)} }, []string{"", ""}},
		{"a prefix, then a name that looks like it", func(id digest.Digest) []string {
			return []string{hex(id, 6), hex(id, 6) + ":latest"}
		}, []string{"", "No such image: "}},
		{"a name that was refused", func(digest.Digest) []string { return []string{"base:1", "app:1", "base:1"} }, []string{"", "", ""}},
		{"a name that is not there", func(digest.Digest) []string { return []string{"none", "none"} }, []string{"No such image: none", "No such image: none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(t)
			base := m.image(storetest.Spec{Name: "base"}, "base:1")
			id := m.image(storetest.Spec{Name: "app", Parent: base}, "app:1")
			reports, err := m.ImagesDelete(t.Context(), c.typed(id), jettison.RemoveOptions{Force: true})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range reports {
				if got := errorText(r.Err); !strings.HasPrefix(got, c.want[i]) || c.want[i] == "" && got != "" {
					t.Errorf("%s: got error %q, want %q", r.Reference, got, c.want[i])
				}
			}
		})
	}
}

// D16: a name whose removal was refused is tried again when it comes again.
func TestRefusedNameIsTriedAgain(t *testing.T) {
	m := newMemory(t)
	base := m.image(storetest.Spec{Name: "base"})
	app := m.image(storetest.Spec{Name: "app", Parent: base})
	reports, err := m.ImagesDelete(t.Context(), []string{base.String(), app.String(), base.String()}, jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(reports[0].Err, jettison.ErrConflict) || reports[1].Err != nil || reports[2].Err != nil || len(reports[2].Records) != 1 {
		t.Errorf("got %+v", reports)
	}
}

// D16, E3: a damaged reference stops neither the next one nor the deletion of
// its image by force.
func TestDamagedReference(t *testing.T) {
	m := newMemory(t)
	app := m.image(storetest.Spec{Name: "app"}, "app:1", "app:2")
	m.image(storetest.Spec{Name: "web"}, "web:1")
	err := m.db.Update(t.Context(), func(tx kv.Tx) error {
		return tx.Put(t.Context(), []byte("ref/docker.io/library/app:1"), []byte("junk"))
	})
	if err != nil {
		t.Fatal(err)
	}
	reports, err := m.ImagesDelete(t.Context(), []string{"app:1", "web:1"}, jettison.RemoveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(reports[0].Err, jettison.ErrInternal) || !strings.Contains(errorText(reports[0].Err), "app:1") {
		t.Errorf("damaged reference: got error %v, want one that names it", reports[0].Err)
	}
	if len(reports[1].Records) != 2 {
		t.Errorf("the next reference: got %+v", reports[1])
	}
	records, err := m.ImageDelete(t.Context(), app.String(), jettison.RemoveOptions{Force: true})
	if err != nil || len(records) != 3 {
		t.Errorf("by ID with force: got %v, %v", records, err)
	}
}

// foreign is a reference store whose errors carry the markers of containerd's
// and moby's errdefs, and none of our sentinels.
type foreign struct{ jettison.ReferenceStore }

type foreignNotFound struct{}

func (foreignNotFound) Error() string { return "reference does not exist" }
func (foreignNotFound) NotFound()     {}

func (f foreign) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	id, err := f.ReferenceStore.Get(ctx, ref)
	if err != nil {
		return "", foreignNotFound{}
	}
	return id, nil
}

// E1, R2: the marker of another project's store is as good as the sentinel.
func TestForeignMarkers(t *testing.T) {
	images, refs := backends.NewMapImages(), backends.NewMapReferences()
	s := jettison.New(separate(images, foreign{refs}), nil)
	app := storetest.Spec{Name: "app"}.Image()
	if err := images.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	found, err := s.Resolve(t.Context(), hex(app.ID(), 8))
	if err != nil || found.Image.ID != app.ID() {
		t.Errorf("prefix: got %v, %v", found.Image.ID, err)
	}
}

// E1: an error of two classes gets one.
func TestErrorOfTwoClasses(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "app"}, "app:1")
	s := jettison.New(failing{m.store, errors.Join(jettison.ErrUnavailable, jettison.ErrConflict)}, nil)
	_, err := s.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	wantClass(t, "joined", err, "Unavailable")
}

// L1, L2: a lease has a future, and the clock of the service decides.
func TestLeaseClock(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "app"}, "app:1")
	opts := jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "p", Expires: m.now}
	if _, err := m.Lease(t.Context(), "app:1", opts); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("a lease that has expired: got error %v", err)
	}
	early := jettison.New(m.store, &jettison.Options{Now: func() time.Time { return m.now.AddDate(-10, 0, 0) }})
	opts.Expires = m.now.AddDate(-9, 0, 0)
	if _, err := early.Lease(t.Context(), "app:1", opts); err != nil {
		t.Fatal(err)
	}
	if _, err := early.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); !errors.Is(err, jettison.ErrConflict) {
		t.Errorf("a lease that lives by the clock of the service: got error %v", err)
	}
}

// A service or a backend that was given nothing says so and does not panic.
func TestNothingGiven(t *testing.T) {
	for name, s := range map[string]*jettison.Service{
		"service":  jettison.New(nil, nil),
		"separate": jettison.New(jettison.Separate(jettison.Stores{}), nil),
	} {
		_, err := s.ImageDelete(t.Context(), "app", jettison.RemoveOptions{})
		wantClass(t, name, err, "InvalidArgument")
		_, err = s.Apply(t.Context(), nil)
		wantClass(t, name+": no plan", err, "InvalidArgument")
	}
	wantClass(t, "lease", (&jettison.Lease{}).Release(t.Context()), "InvalidArgument")
	m := newMemory(t)
	plan := m.planAll("app:1")
	plan.Removals = append(plan.Removals, jettison.Removal{})
	_, err := m.Apply(t.Context(), plan)
	wantClass(t, "a plan that was tampered with", err, "InvalidArgument")
}

// D14: an update whose context ends while it waits does not run.
func TestSeparateObeysItsContextAfterTheWait(t *testing.T) {
	b := separate(backends.NewMapImages(), backends.NewMapReferences())
	inside, leave := make(chan bool), make(chan bool)
	go func() {
		_ = b.Update(context.Background(), func(jettison.Stores) error {
			close(inside)
			<-leave
			return nil
		})
	}()
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for _, call := range []func(context.Context, func(jettison.Stores) error) error{b.Update, b.View} {
		go func() {
			done <- call(ctx, func(jettison.Stores) error {
				t.Error("the function ran")
				return nil
			})
		}()
	}
	time.Sleep(10 * time.Millisecond) // so that both wait; if they do not, they refuse at once
	cancel()
	close(leave)
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want the context's", err)
		}
	}
}
