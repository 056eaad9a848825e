package podman_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// candidates are what a store makes of a short name.
func candidates(t *testing.T, f *fixture, names *podman.ShortNames, short string) []string {
	t.Helper()
	var found []string
	err := f.backend(&podman.Options{ShortNames: names}).View(t.Context(), func(stores jettison.Stores) error {
		refs, err := stores.References.Short.Candidates(t.Context(), short)
		for _, ref := range refs {
			found = append(found, ref.String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The order is that in which Podman looks for a local image.
func TestShortNames(t *testing.T) {
	names := &podman.ShortNames{
		Aliases:    map[string]string{"app": "quay.io/team/app", "none": ""},
		Registries: []string{"registry.example:5000", "quay.io/mirror"},
	}
	f := newFixture(t)
	const sum = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for short, want := range map[string][]string{
		"app:1.0": {
			"quay.io/team/app:1.0", "localhost/app:1.0", "registry.example:5000/app:1.0",
			"quay.io/mirror/app:1.0", "docker.io/library/app:1.0",
		},
		"none:latest": {
			"localhost/none:latest", "registry.example:5000/none:latest",
			"quay.io/mirror/none:latest", "docker.io/library/none:latest",
		},
		"team/app" + sum: {
			"localhost/team/app" + sum, "registry.example:5000/team/app" + sum,
			"quay.io/mirror/team/app" + sum, "docker.io/team/app" + sum,
		},
	} {
		if diff := cmp.Diff(want, candidates(t, f, names, short)); diff != "" {
			t.Errorf("candidates for %s (-want +got):\n%s", short, diff)
		}
	}
}

// The last candidate is the only reference that ends like the name. The beginning of
// an ID is none.
func TestShortNamesEnding(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{names: []string{"quay.io/team/one:1", "quay.io/a/two:1", "quay.io/b/two:1"}})
	hex := m.id.Encoded()[:5]
	f.check(f.AddNames(m.id.Encoded(), []string{"quay.io/team/" + hex + ":1"}))
	for short, want := range map[string]string{
		"one:1":      "quay.io/team/one:1",
		"team/one:1": "quay.io/team/one:1",
		"eam/one:1":  "docker.io/eam/one:1",
		"one:2":      "docker.io/library/one:2",
		"two:1":      "docker.io/library/two:1",
		hex + ":1":   "docker.io/library/" + hex + ":1",
	} {
		found := candidates(t, f, &podman.ShortNames{}, short)
		if got := found[len(found)-1]; got != want {
			t.Errorf("last candidate for %s: got %s, want %s", short, got, want)
		}
	}
}

func TestReadShortNames(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	main := write("main.conf", "unqualified-search-registries = [\"one.example\"]\n[aliases]\na = \"x.example/a\"\nb = \"x.example/b\"\n")
	alias := write("alias.conf", "[aliases]\nb = \"\"\nc = \"x.example/c\"\n")
	search := write("search.conf", "unqualified-search-registries = [\"two.example\", \"three.example\"]\n[[registry]]\nlocation = \"x\"\n")
	agreed := write("agreed.conf", "[aliases]\n\"c\" = \"y.example/c\"\n")

	got, err := podman.ReadShortNameFiles([]string{main, alias, search, filepath.Join(dir, "missing.conf")}, []string{agreed})
	if err != nil {
		t.Fatal(err)
	}
	want := &podman.ShortNames{
		Aliases:    map[string]string{"a": "x.example/a", "b": "", "c": "y.example/c"},
		Registries: []string{"two.example", "three.example"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("short names (-want +got):\n%s", diff)
	}

	for path, want := range map[string]error{
		write("bad.conf", "aliases = ["): jettison.ErrInvalidArgument,
		dir:                              jettison.ErrUnavailable,
	} {
		if _, err := podman.ReadShortNameFiles([]string{path}, nil); !errors.Is(err, want) {
			t.Errorf("read %s: got %v, want an error of class %v", path, err, want)
		}
	}
}

// The files are those of the user, also where the process seems to be root because
// `podman unshare` has started it.
func TestReadShortNamesOfUser(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("CONTAINERS_REGISTRIES_CONF", "")
	t.Setenv("_CONTAINERS_ROOTLESS_UID", "1000")
	write("cache/containers/short-name-aliases.conf", "[aliases]\na = \"agreed.example/a\"\n")
	write(".config/containers/registries.conf", "unqualified-search-registries = [\"user.example\"]\n")
	write(".config/containers/registries.conf.d/more.conf", "[aliases]\na = \"more.example/a\"\nb = \"more.example/b\"\n")
	write("chosen.conf", "unqualified-search-registries = [\"chosen.example\"]\n")

	check := func(registry string) {
		t.Helper()
		got, err := podman.ReadShortNames()
		if err != nil {
			t.Fatal(err)
		}
		if got.Aliases["a"] != "agreed.example/a" || got.Aliases["b"] != "more.example/b" {
			t.Errorf("aliases: got %v", got.Aliases)
		}
		if diff := cmp.Diff([]string{registry}, got.Registries); diff != "" {
			t.Errorf("registries (-want +got):\n%s", diff)
		}
	}
	check("user.example")
	t.Setenv("CONTAINERS_REGISTRIES_CONF", filepath.Join(home, "chosen.conf"))
	check("chosen.example")
}
