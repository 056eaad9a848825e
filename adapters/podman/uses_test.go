package podman_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/conflict"
)

// container makes a container of an image as the program with this record does.
func (f *fixture) container(id string, of *made, metadata string, files ...string) {
	f.t.Helper()
	_, err := f.CreateContainer(id, []string{"the " + id}, of.id.Encoded(), "", metadata, &storage.ContainerOptions{})
	f.check(err)
	for _, file := range files {
		f.check(f.SetContainerDirectoryFile(id, file, []byte("{}")))
	}
}

// pid says which process is that of a container.
func (f *fixture) pid(id, number string) {
	f.t.Helper()
	f.check(f.SetContainerRunDirectoryFile(id, "pidfile", []byte(number)))
}

const podmans = `{"image-name":"localhost/app:1","image-id":"","name":"c","created-at":1}`

// users are the containers of an image, as they are told to the user.
func (f *fixture) users(of *made) []string {
	f.t.Helper()
	var found []string
	f.check(f.backend(nil).View(f.t.Context(), func(stores jettison.Stores) error {
		all, err := stores.Containers.Containers(f.t.Context(), of.id)
		for _, c := range all {
			if !c.Holds {
				f.t.Errorf("container %s does not hold its image", c.ID)
			}
			found = append(found, c.String())
		}
		return err
	}))
	return found
}

// Containers of any owner are uses, and are told apart.
func TestOwners(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere nothing tells when a process has begun")
	}
	f := newFixture(t)
	app, other := f.image(spec{layers: []string{"os"}}), f.image(spec{layers: []string{"os"}, comment: "other"})
	f.container("podmans", app, podmans)
	f.container("runs", app, podmans)
	f.pid("runs", "1\n")
	f.container("ended", app, podmans)
	f.pid("ended", "999999999")
	f.container("reused", app, podmans)
	f.pid("reused", strconv.Itoa(os.Getpid()))
	dir, err := f.ContainerRunDirectory("reused")
	f.check(err)
	past := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	f.check(os.Chtimes(filepath.Join(dir, "pidfile"), past, past))
	f.container("garbled", app, podmans)
	f.pid("garbled", "none")
	f.container("buildahs", app, "", "buildah.json")
	f.container("crios", app, `{"pod-id":"p","image-name":"i","created-at":1}`)
	f.container("unknown", app, "")
	f.container("unreadable", app, "{")
	f.container("others", other, podmans)
	want := []string{
		"stopped container the podmans (podmans)", "running container the runs (runs)", "stopped container the ended (ended)",
		"stopped container the reused (reused)", "stopped container the garbled (garbled)", "stopped container the buildahs (buildahs) of buildah",
		"stopped container the crios (crios) of cri-o", "stopped container the unknown (unknown) of another program",
		"stopped container the unreadable (unreadable) of another program",
	}
	if diff := cmp.Diff(want, f.users(app)); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

// remove removes a container.
func remove(ctx context.Context, s *podman.Store, id string) error {
	return s.Update(ctx, func(stores jettison.Stores) error {
		return stores.Containers.Remover.RemoveContainer(ctx, jettison.Container{ID: id})
	})
}

// Containers of others are unmounted and removed from the store, those of Podman by
// Podman.
func TestRemoveContainer(t *testing.T) {
	f := newFixture(t)
	app := f.image(spec{layers: []string{"os"}})
	f.container("buildahs", app, "", "buildah.json")
	_, err := f.Mount("buildahs", "")
	f.check(err)
	_, err = f.Mount("buildahs", "")
	f.check(err)
	f.container("podmans", app, podmans)
	f.container("stays", app, podmans)
	f.container("crios", app, `{"pod-id":"p"}`)
	f.pid("crios", "1")
	s := f.backend(&podman.Options{RemoveContainer: func(_ context.Context, c jettison.Container) error {
		switch c.ID {
		case "podmans":
			return f.DeleteContainer(c.ID)
		case "stays":
			return nil
		}
		return errors.New("asked about " + c.ID)
	}})
	for _, id := range []string{"buildahs", "podmans"} {
		if err := remove(t.Context(), s, id); err != nil {
			t.Errorf("remove %s: %v", id, err)
		}
		if err := remove(t.Context(), s, id); !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("remove %s again: got %v, want an error of class NotFound", id, err)
		}
	}
	for id, want := range map[string]string{"stays": "still there", "crios": "only cri-o can stop it"} {
		var stays *podman.ContainerError
		err := remove(t.Context(), s, id)
		if !errors.As(err, &stays) || !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), want) || stays.Container.ID != id {
			t.Errorf("remove %s: got %v, want a ContainerError of class Conflict that says %q", id, err, want)
		}
	}
	if diff := cmp.Diff([]string{"stopped container the stays (stays)", "running container the crios (crios) of cri-o"}, f.users(app)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// Command runs a program that removes the container; without one the error says what
// to do; where Podman has no record, the store's is removed.
func TestCommand(t *testing.T) {
	f := newFixture(t)
	app := f.image(spec{layers: []string{"os"}})
	dir := t.TempDir()
	program := func(name, script string) string {
		path := dir + "/" + name
		f.check(os.WriteFile(path, []byte("#!/bin/sh\necho \"$@\" > "+dir+"/args\n"+script+"\n"), 0o700)) //nolint:gosec // it is to be run
		return path
	}
	for name, test := range map[string]struct {
		program, want string
	}{
		"missing": {dir + "/none", "podman rm --force c1"},
		"failing": {program("failing", "echo cannot >&2; exit 125"), "cannot"},
		"lazy":    {program("lazy", "exit 0"), "still there"},
		"unaware": {program("unaware", "exit 1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f.container("c1", app, podmans)
			s := f.backend(&podman.Options{RemoveContainer: podman.Command(f.Store, test.program, "--events-backend", "file")})
			err := remove(t.Context(), s, "c1")
			if test.want == "" {
				f.check(err)
				return
			}
			if err == nil || !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error of class Conflict that says %q", err, test.want)
			}
			f.check(f.DeleteContainer("c1"))
		})
	}
	args, err := os.ReadFile(dir + "/args")
	f.check(err)
	if want := "--events-backend file --root " + f.root + " --runroot " + f.runRoot + " --storage-driver vfs rm --force c1\n"; string(args) != want {
		t.Errorf("arguments: got %s, want %s", args, want)
	}
}

// What keeps an image in place and is no container is a lease that cannot be
// released: a mount, a name that is no reference.
func TestPins(t *testing.T) {
	f := newFixture(t)
	app := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	alike := f.image(spec{layers: []string{"os"}, comment: "the same layer"})
	named := f.image(spec{layers: []string{"os", "named"}, names: []string{"not a name", "unnormal", "localhost/x:1@sha256:" + strings.Repeat("0", 64)}})
	free := f.image(spec{layers: []string{"os", "free"}})
	_, err := f.MountImage(app.id.Encoded(), nil, "")
	f.check(err)
	service := jettison.New(f.backend(nil), nil)
	layer := conflict.Short(app.topmost)
	for image, want := range map[*made]string{
		app:   "image is being used by mount of layer " + layer,
		alike: "image is being used by mount of layer " + layer,
		named: `image is being used by name "localhost/x:1@sha256:` + strings.Repeat("0", 64) + `"`,
	} {
		_, err := service.ImageDelete(t.Context(), image.id.String(), jettison.RemoveOptions{Force: true, RemoveContainers: true})
		if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), "(cannot be forced) - "+want) {
			t.Errorf("got %v, want an error of class Conflict that says %q", err, want)
		}
	}
	report, err := service.ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
	f.check(err)
	if got := lines(report.ImagesDeleted); len(got) != 2 || got[0] != "Deleted: "+free.id.String() || len(report.Kept) != 3 {
		t.Errorf("prune: got %q, kept %v", got, report.Kept)
	}
	_, err = f.UnmountImage(app.id.Encoded(), false)
	f.check(err)
	if _, err := service.ImageDelete(t.Context(), "localhost/app:1", jettison.RemoveOptions{}); err != nil {
		t.Errorf("after the mount: %v", err)
	}
}
