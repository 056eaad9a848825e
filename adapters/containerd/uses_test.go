package containerd_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/storetest"
)

// A container of another namespace counts when that is looked at: by its image's
// target, and by the layers that it lies on. Otherwise it does not, and its image
// there keeps what it needs.
func TestContainersOfOtherNamespaces(t *testing.T) {
	for _, looked := range []bool{false, true} {
		var opts containerd.Options
		if looked {
			opts.Namespaces = []string{"other", "default", "other"}
		}
		l := newLab(t, &opts)
		o := fixture.NewObject(storetest.Spec{Name: "app", Layers: []string{"os"}}.Image(), fixture.Snapshotter)
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		other := &fixture.Engine{Services: l.Services, Namespace: "other", Snapshotter: fixture.Snapshotter, Runner: l.Tasks}
		if err := other.Pull(t.Context(), o, "", "docker.io/library/mine:1"); err != nil {
			t.Fatal(err)
		}
		run := fixture.Container{ID: "web", Image: "docker.io/library/mine:1", Top: storetest.ChainID("os"), Running: true}
		if err := other.Run(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		_, err := l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
		if looked != errors.Is(err, jettison.ErrConflict) {
			t.Errorf("looked at %t: got %v", looked, err)
		}
		if refused, ok := errors.AsType[*conflict.Error](err); ok {
			if got := refused.Conflicts[0].Container; got.Owner != "namespace other" || !got.Running {
				t.Errorf("container: %+v", got)
			}
			continue
		}
		if _, err := l.Services.Content.Info(other.In(t.Context()), id); err != nil {
			t.Errorf("content of the other namespace: %v", err)
		}
	}
}

// A container of Docker's runs while there is a record of it with a process, in its
// own namespace; that has no snapshot, for Docker keeps it.
func TestDockerContainerRuns(t *testing.T) {
	for _, namespace := range []string{"default", "other"} {
		l := newLab(t, &containerd.Options{Namespaces: []string{"other"}})
		id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
		must(t, l.engine.DockerContainer(t.Context(), "c1c1", storetest.ChainID("os")))
		e := &fixture.Engine{Services: l.Services, Namespace: namespace, Snapshotter: fixture.Snapshotter, Runner: l.Tasks}
		must(t, e.AddContainer(t.Context(), jettison.Container{ID: "c1c1", Running: true}))
		_, err := l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
		if namespace == "default" {
			wantRefusal(t, err, jettison.ErrConflict, "running container c1c1")
		} else if err != nil {
			t.Errorf("a container of another namespace is called the same: %v", err)
		}
	}
}

// A container that mounts the image that it was made from uses it once.
func TestContainerThatMountsItsImage(t *testing.T) {
	l := newLab(t, nil)
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	top := storetest.ChainID("os")
	must(t, l.engine.Run(t.Context(), fixture.Container{ID: "web", Image: "docker.io/library/app:1", Top: top, Mounts: []digest.Digest{top}}))
	must(t, l.backend.View(t.Context(), func(stores jettison.Stores) error {
		users, err := stores.Containers.Containers(t.Context(), id)
		if len(users) != 1 || users[0].Image != id || !slices.Equal(users[0].Mounts, []digest.Digest{id}) {
			t.Errorf("got %+v, want web alone", users)
		}
		return err
	}))
}

// A view of an image that nothing holds is garbage, and no use.
func TestGarbageIsNoUse(t *testing.T) {
	l := newLab(t, nil)
	l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	if err := l.engine.Mount(t.Context(), "left-behind", storetest.ChainID("os"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := l.service.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{}); err != nil {
		t.Errorf("deletion: %v", err)
	}
}

// What a container of another namespace holds says nothing about a snapshot of the
// same name here.
func TestSnapshotsOfOtherNamespacesAreNotOurs(t *testing.T) {
	l := newLab(t, &containerd.Options{Namespaces: []string{"other"}})
	id := l.pull(t, "app", []string{"os"}, "docker.io/library/app:1")
	other := &fixture.Engine{Services: l.Services, Namespace: "other", Snapshotter: fixture.Snapshotter, Runner: l.Tasks}
	must(t, other.Pull(t.Context(), fixture.NewObject(storetest.Spec{Name: "data", Layers: []string{"data"}}.Image(), fixture.Snapshotter), "", "docker.io/library/data:1"))
	must(t, other.Run(t.Context(), fixture.Container{ID: "web", Top: storetest.ChainID("data"), Mounts: []digest.Digest{storetest.ChainID("data")}}))
	must(t, l.engine.Mount(t.Context(), "mount-0-web", storetest.ChainID("os"), "volume"))
	_, err := l.service.ImageDelete(t.Context(), id.String(), jettison.RemoveOptions{Force: true})
	wantRefusal(t, err, jettison.ErrConflict, "mount native/mount-0-web of lease volume")
}

// A container that knows its image by the digest of a configuration uses every image
// that has it: two may differ in how they are compressed.
func TestContainerByConfiguration(t *testing.T) {
	for _, recorded := range []bool{false, true} { // whether the digest is a name
		l := newLab(t, nil)
		made := storetest.Spec{Name: "app", Layers: []string{"os"}}.Image()
		first := fixture.NewObject(made, fixture.Snapshotter)
		made.Manifest = append(fixture.Manifest(made), '\n')
		second := fixture.NewObject(made, fixture.Snapshotter)
		names := []string{"docker.io/library/second:1"}
		if recorded {
			names = append(names, made.ID().String())
		}
		must(t, l.engine.Pull(t.Context(), first, "", "docker.io/library/first:1"))
		must(t, l.engine.Pull(t.Context(), second, "", names...))
		must(t, l.engine.Run(t.Context(), fixture.Container{ID: "web", Image: made.ID().String(), Top: storetest.ChainID("os"), Running: true}))
		for _, o := range []fixture.Object{first, second} {
			_, err := l.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true})
			wantRefusal(t, err, jettison.ErrConflict, "running container web")
		}
	}
}

// An image whose content has no labels, as very old programs have left it, is used
// by what its documents say all the same.
func TestContentWithoutLabels(t *testing.T) {
	for name, made := range map[string]storetest.Image{
		"image": storetest.Spec{Name: "app", Layers: []string{"os", "amd"}}.Image(),
		"index": multi(),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			o := fixture.NewObject(made, fixture.Snapshotter)
			must(t, l.engine.Pull(t.Context(), o, "", "docker.io/library/app:1", "docker.io/library/old:1"))
			must(t, l.engine.Run(t.Context(), fixture.Container{
				ID: "web", Image: "docker.io/library/app:1", Top: storetest.ChainID("os", "amd"), Running: true,
			}))
			l.strip(t, o)
			next := l.pull(t, "next", []string{"next"}, "docker.io/library/next:1")
			must(t, l.engine.Move(t.Context(), "docker.io/library/app:1", next))
			_, err := l.service.ImageDelete(t.Context(), o.Target.Digest.String(), jettison.RemoveOptions{Force: true})
			wantRefusal(t, err, jettison.ErrConflict, "running container web")
		})
	}
}

// strip leaves of the labels of an image's content only what makes it a root.
func (l *lab) strip(t *testing.T, o fixture.Object) {
	t.Helper()
	for _, blob := range o.Blobs {
		labels := map[string]string{"containerd.io/gc.root": "2017-12-07T12:00:00Z"}
		for label := range blob.Labels {
			labels[label] = ""
		}
		info := content.Info{Digest: digest.FromBytes(blob.Data), Labels: labels}
		_, err := l.Services.Content.Update(l.engine.In(t.Context()), info)
		must(t, err)
	}
}
