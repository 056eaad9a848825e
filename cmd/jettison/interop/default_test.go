//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDefaultStore lets both work on the store that the configuration names, and
// checks that it is the same.
func TestDefaultStore(t *testing.T) {
	s := newSite(t, *driver)
	s.stage([]string{"build foo tag=foo:1"})
	for name, env := range map[string][]string{
		"storage.conf":   nil,
		"another driver": {"STORAGE_DRIVER=zfs"}, // the store itself decides
		"options":        {"STORAGE_OPTS=" + s.driver + ".ignore_chown_errors=true"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t, s.env = t, env
			s.sameDefault()
		})
	}
	s.t, s.env = t, nil
	s.ok(s.run(jettisonPath, "--store", "podman", "rmi", "foo:1"))
	if left := s.tags(); len(left) > 0 {
		t.Errorf("podman still has %q", left)
	}
}

// sameDefault checks that both have the same images when they are told of no store,
// and that there are any.
func (s *site) sameDefault() {
	s.t.Helper()
	theirs := lines(s.ok(s.run(podmanPath, "--tmpdir", s.path("now/tmp"), "--events-backend", "file", "images", "--all", "--quiet", "--no-trunc")))
	ours := lines(s.ok(s.run(jettisonPath, "--store", "podman", "images", "--all", "--quiet", "--no-trunc")))
	slices.Sort(theirs)
	slices.Sort(ours)
	if diff := cmp.Diff(theirs, ours); diff != "" || len(ours) == 0 {
		s.t.Errorf("images (-podman +jettison):\n%s", diff)
	}
}

// TestDefaultStoreOfUser is TestDefaultStore for a user without root, whose store is
// named by nothing but the environment.
func TestDefaultStoreOfUser(t *testing.T) {
	const user = 12345
	s := newSite(t, "vfs")
	s.write("home/Containerfile", "FROM scratch\nCOPY Containerfile /\n")
	s.write("run/none", "")
	for _, name := range []string{"", "home", "run"} {
		if err := os.Chmod(s.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(s.path(name), user, user); err != nil {
			t.Fatal(err)
		}
	}
	s.through = strings.Fields(fmt.Sprintf("setpriv --reuid %d --regid %[1]d --clear-groups env -u CONTAINERS_STORAGE_CONF", user))
	s.env = []string{"HOME=" + s.path("home"), "XDG_RUNTIME_DIR=" + s.path("run")}
	if got := s.run(podmanPath, "unshare", "true"); got.status != 0 {
		fmt.Fprintf(os.Stderr, "%s is skipped: a user without root cannot work here: %s\n", t.Name(), got.err)
		t.SkipNow()
	}
	defer s.run(podmanPath, "system", "migrate") // ends the process that keeps the user's name space
	for _, data := range []string{"", "XDG_DATA_HOME=" + s.path("home/data")} {
		s.env = append(s.env, data)
		s.ok(s.run(podmanPath, "--events-backend", "file", "build", "-q", "--isolation", "chroot", "-t", "foo", s.path("home")))
		s.sameDefault()
		got := s.ok(s.run(podmanPath, "unshare", jettisonPath, "--store", "podman", "rmi", "foo"))
		if !strings.HasPrefix(got, "Untagged: localhost/foo:latest\nDeleted: ") {
			t.Errorf("rmi as a user: %s", got)
		}
		if left := s.ok(s.run(podmanPath, "images", "--all", "--quiet")); left != "" {
			t.Errorf("podman still has %s", left)
		}
	}
}
