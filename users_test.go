package jettison_test

import (
	"context"
	"errors"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

// removals are containers whose removals fail in turn; after that they succeed.
type removals struct {
	*backends.MapContainers
	failing []error
	asked   []string
	look    func() // at each removal, if not nil
}

func (r *removals) RemoveContainer(ctx context.Context, c jettison.Container) error {
	r.asked = append(r.asked, c.ID)
	if r.look != nil {
		r.look()
	}
	if len(r.failing) > 0 {
		err := r.failing[0]
		r.failing = r.failing[1:]
		if err != nil {
			return err
		}
	}
	return r.MapContainers.RemoveContainer(ctx, c)
}

// used is a service over the image app:1 and the containers that use it.
func used(t *testing.T, users ...jettison.Container) (*jettison.Service, *removals, digest.Digest) {
	t.Helper()
	images, refs := backends.NewMapImages(), backends.NewMapReferences()
	app := storetest.Spec{Name: "app"}.Image()
	if err := images.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	ref, err := reference.ParseNormalizedNamed("app:1")
	if err != nil {
		t.Fatal(err)
	}
	refs.Set(ref, app.ID())
	containers := &removals{MapContainers: backends.NewMapContainers()}
	for _, c := range users {
		c.Image = app.ID()
		containers.Set(c)
	}
	return jettison.New(jettison.Separate(jettison.Stores{
		Images:     jettison.Images{ImageStore: images},
		References: jettison.References{ReferenceStore: refs},
		Containers: jettison.Containers{ContainerLister: containers, Remover: containers},
	}), nil), containers, app.ID()
}

// D5, D8: a stopped container that keeps its image does so when force takes the last
// name, and not when force deletes the image by its ID.
func TestContainerThatKeeps(t *testing.T) {
	force := jettison.RemoveOptions{Force: true}
	for _, keeps := range []bool{true, false} {
		service, _, app := used(t, jettison.Container{ID: "a", Keeps: keeps}, jettison.Container{ID: "b"})
		plan, err := service.PlanDelete(t.Context(), []string{"app:1"}, force)
		if err != nil {
			t.Fatal(err)
		}
		kept := plan.Removals[0].Kept
		if got := len(kept) > 0; got != keeps {
			t.Fatalf("a container that keeps its image %v: kept %v", keeps, kept)
		}
		if keeps && (len(kept[0].Conflicts) != 1 || kept[0].Conflicts[0].Container.ID != "a") {
			t.Errorf("kept %v, want by a alone", kept)
		}
		if records, err := service.ImageDelete(t.Context(), app.String(), force); err != nil || len(records) < 2 {
			t.Errorf("by ID: got %v and error %v", records, err)
		}
	}
}

// D17: what fails is tried once more, unless it never can succeed; a container that
// has gone meanwhile is no error, and nobody claims to have removed it.
func TestRemovalOfContainers(t *testing.T) {
	for _, c := range []struct {
		name    string
		failing []error
		asked   []string
		removed []string
		class   string
	}{
		{"all go", nil, []string{"a", "b"}, []string{"a", "b"}, ""},
		{"busy at first", []error{jettison.ErrConflict}, []string{"a", "a", "b"}, []string{"a", "b"}, ""},
		{"unreachable at first", []error{nil, jettison.ErrUnavailable}, []string{"a", "b", "b"}, []string{"a", "b"}, ""},
		{"busy", []error{nil, jettison.ErrConflict, jettison.ErrConflict}, []string{"a", "b", "b"}, []string{"a"}, "Conflict"},
		{"gone", []error{jettison.ErrNotFound}, []string{"a", "b"}, []string{"b"}, ""},
		{"gone at the second try", []error{jettison.ErrInternal, jettison.ErrNotFound}, []string{"a", "a", "b"}, []string{"b"}, ""},
		{"cannot be named", []error{jettison.ErrInvalidArgument}, []string{"a"}, nil, "InvalidArgument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, containers, _ := used(t, jettison.Container{ID: "b", Running: true}, jettison.Container{ID: "a"})
			containers.failing = c.failing
			reports, err := s.ImagesDelete(t.Context(), []string{"app:1"}, jettison.RemoveOptions{RemoveContainers: true})
			if classOf(err) != c.class || (err == nil) != (c.class == "") {
				t.Errorf("got error %v, want class %q", err, c.class)
			}
			if diff := cmp.Diff(c.asked, containers.asked); diff != "" {
				t.Errorf("removals (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.removed, ids(reports[0].Containers)); diff != "" {
				t.Errorf("containers of the report (-want +got):\n%s", diff)
			}
			if got, want := len(reports[0].Records) > 0, c.class == ""; got != want {
				t.Errorf("records %v beside error %v", reports[0].Records, err)
			}
		})
	}
}

// A context that has ended is no reason to try again.
func TestRemovalOfContainersInterrupted(t *testing.T) {
	s, containers, _ := used(t, jettison.Container{ID: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	containers.failing, containers.look = []error{jettison.ErrUnavailable}, cancel
	_, err := s.ImageDelete(ctx, "app:1", jettison.RemoveOptions{RemoveContainers: true})
	if !errors.Is(err, jettison.ErrUnavailable) || len(containers.asked) != 1 {
		t.Errorf("got error %v after the removals %v, want one", err, containers.asked)
	}
}

// D17: a container that another program keeps goes too, and is told apart.
func TestContainerOfAnotherOwner(t *testing.T) {
	s, _, id := used(t, jettison.Container{ID: "0123456789abcdef", Name: "work", Owner: "buildah"})
	_, err := s.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{})
	if !errors.Is(err, jettison.ErrConflict) {
		t.Fatalf("got error %v, want a Conflict", err)
	}
	plan, err := s.PlanDelete(t.Context(), []string{id.String()}, jettison.RemoveOptions{RemoveContainers: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := plan.Removals[0].Containers()[0].String(), "stopped container work (0123456789ab) of buildah"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	records, err := s.Apply(t.Context(), plan)
	if err != nil || len(records) != 2 {
		t.Errorf("got %v and error %v, want the reference and the image", records, err)
	}
}

// D17: where nothing knows of containers there are none to remove.
func TestRemoveContainersWithoutContainers(t *testing.T) {
	s, _, _ := garbage(t)
	if _, err := s.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{RemoveContainers: true}); err != nil {
		t.Error(err)
	}
}

// A store on disk keeps the containers of its engine alone.
func TestOwnerIsNotKept(t *testing.T) {
	m := newMemory(t)
	err := m.store.Edit(t.Context(), func(tx *kvstore.Tx) error {
		_, err := tx.Containers.Add(t.Context(), jettison.Container{ID: "c", Owner: "buildah"})
		return err
	})
	wantClass(t, "container of another owner", err, "InvalidArgument")
}

// P9: of two containers that are written alike the one that was agreed to goes, or
// none; and where the text means nothing any more, that is what is said.
func TestPlanOfRemovalsIsOutOfDate(t *testing.T) {
	s, containers, id := used(t, jettison.Container{ID: "0123456789ab1", Name: "db"})
	opts := jettison.RemoveOptions{RemoveContainers: true, Ignore: true}
	plan, err := s.PlanDelete(t.Context(), []string{"app:1"}, opts)
	if err != nil {
		t.Fatal(err)
	}
	another := jettison.Container{ID: "0123456789ab2", Name: "db", Image: id}
	if err := containers.RemoveContainer(t.Context(), jettison.Container{ID: "0123456789ab1"}); err != nil {
		t.Fatal(err)
	}
	containers.Set(another)
	_, err = s.Apply(t.Context(), plan)
	wantClass(t, "another container", err, "Conflict")
	if _, err := s.ImageDelete(t.Context(), "app:1", opts); err != nil {
		t.Fatal(err)
	}
	_, err = s.Apply(t.Context(), plan)
	if got, want := errorText(err), "plan is out of date: app:1 now means nothing"; got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}
