//go:build interop

package podman_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// A real is a store that Podman uses at the same time.
type real struct {
	t                     testing.TB
	root, runRoot, driver string
	backend               *podman.Store
}

// newReal makes a store with the image localhost/app:latest, built by Podman.
func newReal(t testing.TB, driver string) *real {
	t.Helper()
	dir, err := os.MkdirTemp("", "real") //nolint:usetesting // those of t are too long for podman
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil { // something is still mounted
			t.Error(err)
		}
	})
	r := &real{t: t, root: filepath.Join(dir, "root"), runRoot: filepath.Join(dir, "run"), driver: driver}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"busybox":    data,
		"Dockerfile": []byte("FROM scratch\nCOPY busybox /bin/busybox\nENV A=1\n"),
		"fails":      []byte("FROM localhost/app\nRUN [\"/bin/busybox\", \"false\"]\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.podman("build", "--isolation", "chroot", "--tag", "app", dir)
	r.backend, err = podman.Open(t.Context(), &podman.Options{GraphRoot: r.root, RunRoot: r.runRoot})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.backend.Close() }) // it never fails
	return r
}

// podman runs Podman on the store and returns what it prints.
func (r *real) podman(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try is podman for what may fail; then what it says about that is part of the
// output.
func (r *real) try(args ...string) (string, error) {
	all := append([]string{
		"--root", r.root, "--runroot", r.runRoot, "--storage-driver", r.driver, "--events-backend", "file",
		"--runtime", "runc", "--cgroup-manager", "cgroupfs",
	}, args...)
	cmd := exec.CommandContext(context.WithoutCancel(r.t.Context()), "podman", all...)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil {
		out.WriteString(said.String())
	}
	return strings.TrimSpace(out.String()), err
}

// run starts a container of the image that runs until it is removed.
func (r *real) run(name string) string {
	r.t.Helper()
	id := r.podman("run", "--detach", "--name", name, "--network", "none", "--stop-timeout", "0",
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "app", "/bin/busybox", "sleep", "1000")
	r.t.Cleanup(func() { r.podman("rm", "--force", "--ignore", "--time", "0", id) })
	return id
}

func (r *real) update(fn func(jettison.Stores) error) {
	r.t.Helper()
	if err := r.backend.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

// app is the ID of the image.
func (r *real) app() digest.Digest {
	r.t.Helper()
	return digest.NewDigestFromEncoded(digest.SHA256, r.podman("image", "inspect", "--format", "{{.Id}}", "app"))
}

// containers are those of the image, by name, with what we know of them.
func (r *real) containers() map[string]string {
	r.t.Helper()
	found := make(map[string]string)
	r.update(func(stores jettison.Stores) error {
		all, err := stores.Containers.Containers(r.t.Context(), r.app())
		for _, c := range all {
			found[c.Name] = c.Owner
			if c.Running {
				found[c.Name] += " running"
			}
		}
		return err
	})
	return found
}

// Containers of Podman are told from those of Buildah, and running ones from
// others. All can be removed, and no record of them is left anywhere.
func TestInteropContainers(t *testing.T) { onDrivers(t, testContainers) }

func testContainers(t *testing.T, r *real) {
	t.Helper()
	r.podman("create", "--name", "made", "--network", "none", "app", "/bin/busybox")
	r.run("runs")
	r.run("paused")
	r.podman("pause", "paused")
	r.run("ended")
	r.podman("kill", "ended")
	r.podman("wait", "ended")
	// A build that fails may leave the container that Buildah worked in, mounted.
	if out, err := r.try("build", "--isolation", "chroot", "--rm=false", "--force-rm=false", "--file", filepath.Join(filepath.Dir(r.root), "fails"), filepath.Dir(r.root)); err == nil {
		t.Fatalf("a build that was to fail: %s", out)
	}

	want := map[string]string{"made": "", "runs": " running", "paused": " running", "ended": "", "app-working-container": "buildah"}
	if diff := cmp.Diff(want, r.containers()); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
	r.podman("unpause", "paused")

	id := r.app()
	r.update(func(stores jettison.Stores) error {
		all, err := stores.Containers.Containers(t.Context(), id)
		if err != nil {
			return err
		}
		for _, c := range all {
			if err := stores.Containers.Remover.RemoveContainer(t.Context(), c); err != nil {
				return err
			}
			if err := stores.Containers.Remover.RemoveContainer(t.Context(), c); !errors.Is(err, jettison.ErrNotFound) {
				t.Errorf("remove %s again: got %v, want an error of class NotFound", c.Name, err)
			}
		}
		return nil
	})
	if left := r.podman("ps", "--all", "--external", "--quiet"); left != "" {
		t.Errorf("podman still has containers: %s", left)
	}
	if left := r.containers(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// The parents are those that Podman tells, for every image of two builds that begin
// alike.
func TestInteropParents(t *testing.T) { onDrivers(t, testParents) }

func testParents(t *testing.T, r *real) {
	t.Helper()
	dir := filepath.Dir(r.root)
	for name, lines := range map[string]string{
		"one": "FROM localhost/app\nENV B=1\nCOPY Dockerfile /one\nLABEL one=1\n",
		"two": "FROM localhost/app\nENV B=1\nCOPY busybox /two\nUSER two\nCMD two\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		r.podman("build", "--isolation", "chroot", "--layers", "--file", filepath.Join(dir, name), "--tag", name, dir)
	}
	want, got := make(map[string]string), make(map[string]string)
	for id := range strings.FieldsSeq(r.podman("images", "--all", "--quiet", "--no-trunc")) {
		want[id] = r.podman("image", "inspect", "--format", "{{.Parent}}", id)
	}
	r.update(func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			got[img.ID.String()] = strings.TrimPrefix(img.Parent.String(), "sha256:")
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 7 {
		t.Errorf("parents of %d images (-podman +jettison):\n%s", len(want), diff)
	}
}

// An image that Podman has mounted stays until it is unmounted; then Podman finds
// nothing of it any more.
func TestInteropMount(t *testing.T) { onDrivers(t, testMount) }

func testMount(t *testing.T, r *real) {
	t.Helper()
	service := jettison.New(r.backend, nil)
	r.podman("image", "mount", "app")
	if _, err := service.ImageDelete(t.Context(), "app", jettison.RemoveOptions{PruneChildren: true}); !errors.Is(err, jettison.ErrConflict) {
		t.Errorf("mounted: got %v, want an error of class Conflict", err)
	}
	r.podman("image", "unmount", "app")
	if _, err := service.ImageDelete(t.Context(), "app", jettison.RemoveOptions{PruneChildren: true}); err != nil {
		t.Errorf("unmounted: %v", err)
	}
	if left := r.podman("images", "--all", "--quiet"); left != "" {
		t.Errorf("podman still has images: %s", left)
	}
}

// A list that Podman has made goes by its name, and the image in it stays.
func TestInteropList(t *testing.T) { onDrivers(t, testList) }

func testList(t *testing.T, r *real) {
	t.Helper()
	r.podman("manifest", "create", "l", "containers-storage:localhost/app:latest")
	list := r.podman("images", "--quiet", "--no-trunc", "--filter", "reference=localhost/l")
	app := r.app().String()
	records, err := jettison.New(r.backend, nil).ImageDelete(t.Context(), "l", jettison.RemoveOptions{PruneChildren: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Untagged: localhost/l:latest", "Deleted: " + list}, lines(records)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if left := r.podman("images", "--quiet", "--no-trunc"); left != app {
		t.Errorf("podman has the images %q, want %q", left, app)
	}
}
