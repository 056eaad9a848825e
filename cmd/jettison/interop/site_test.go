//go:build interop

package interop_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A site is a directory with a Podman store in which podman and the command
// work.
type site struct {
	t   testing.TB
	dir string
	// driver is the storage driver of the store.
	driver string
	// ids are the IDs of the images and containers by the names of the script.
	ids map[string]string
	// typed are the beginnings of IDs that calls were given, as scripts write them.
	typed map[string]string
	// staged are the ids of scenes that have been set.
	staged map[string]map[string]string
	// through is the program that watches the others, if any, with its arguments.
	through []string
	// env is what programs find in their environment besides.
	env []string
}

// newSite makes a site without a store, which will be of this driver. Podman wants a
// short path.
func newSite(t testing.TB, driver string) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") //nolint:usetesting // those of t are too long for podman
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, driver: driver, typed: map[string]string{}, staged: map[string]map[string]string{}}
	t.Cleanup(func() {
		s.t = t
		s.unmount()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// Stores share no locks of containers, so that copies of them have their own.
	s.write("containers.conf", "[engine]\nlock_type = \"file\"\n")
	s.write("storage.conf", fmt.Sprintf("[storage]\ndriver = %q\ngraphroot = %q\nrunroot = %q\n", driver, s.path("now/root"), s.path("now/run")))
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// inside is a path in the store, of what belongs to the driver: "-images/images.json"
// is "vfs-images/images.json" in a store of vfs.
func (s *site) inside(name string) string { return "now/root/" + s.driver + name }

func (s *site) write(name, text string) {
	s.t.Helper()
	err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755)
	if err == nil {
		err = os.WriteFile(s.path(name), []byte(text), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// An answer is what a command printed, and its exit status.
type answer struct {
	verb, out, err string
	status         int
}

// podman runs podman on the store.
func (s *site) podman(args ...string) answer {
	s.t.Helper()
	return s.run(podmanPath, append([]string{
		"--root", s.path("now/root"), "--runroot", s.path("now/run"), "--tmpdir", s.path("now/tmp"),
		"--storage-driver", s.driver, "--events-backend", "file",
	}, args...)...)
}

// jettison runs the command on the same store, which podman may keep locked for a
// while when much else goes on.
func (s *site) jettison(args ...string) answer {
	s.t.Helper()
	return s.run(jettisonPath, append([]string{"--store", s.storeName(), "--wait", "1m"}, args...)...)
}

// storeName is the store as the command is told of it.
func (s *site) storeName() string {
	return "podman:" + s.driver + "@" + s.path("now/root") + "+" + s.path("now/run")
}

func (s *site) run(program string, args ...string) answer {
	s.t.Helper()
	var out, stderr bytes.Buffer
	words := slices.Concat(s.through, []string{program}, args)
	cmd := exec.CommandContext(s.t.Context(), words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+s.path("containers.conf"), "CONTAINERS_STORAGE_CONF="+s.path("storage.conf"))
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%s %q: %v", program, args, err)
	}
	return answer{out: out.String(), err: stderr.String(), status: cmd.ProcessState.ExitCode()}
}

// must is podman for what has to succeed.
func (s *site) must(args ...string) string {
	s.t.Helper()
	got := s.podman(args...)
	if got.status != 0 {
		s.t.Fatalf("podman %q: exit status %d: %s", args, got.status, got.err)
	}
	return got.out
}

// stage sets the scene. Scenes that begin alike are set once: a copy of a store in
// the same place is the same store to podman, to which its path is a part of it.
func (s *site) stage(scene []string) {
	s.t.Helper()
	done := len(scene)
	for s.staged[key(scene[:done])] == nil && done > 0 {
		done--
	}
	s.restore(scene[:done])
	for i := done; i < len(scene); i++ {
		s.set(scene[i])
		s.save(scene[:i+1])
	}
	if len(s.mounts()) > 0 {
		s.restore(scene) // to begin as whoever comes second
	}
}

// save keeps the store as it is, for restore.
func (s *site) save(scene []string) {
	s.t.Helper()
	s.staged[key(scene)] = maps.Clone(s.ids)
	s.copyTree("now", key(scene))
}

// restore makes the store as it was when the scene had been set. What was mounted then
// is so by the records alone.
func (s *site) restore(scene []string) {
	s.t.Helper()
	s.unmount()
	if err := os.RemoveAll(s.path("now")); err != nil {
		s.t.Fatal(err)
	}
	s.ids = map[string]string{}
	if len(scene) > 0 {
		s.ids = maps.Clone(s.staged[key(scene)])
		s.copyTree(key(scene), "now")
	}
}

// key names the copy of a store.
func key(scene []string) string {
	return digest.FromString(strings.Join(scene, "\n")).Encoded()[:12]
}

func (s *site) copyTree(from, to string) {
	s.t.Helper()
	if out, err := exec.CommandContext(s.t.Context(), "cp", "-ax", s.path(from), s.path(to)).CombinedOutput(); err != nil {
		s.t.Fatalf("copy the store: %v: %s", err, out)
	}
}
