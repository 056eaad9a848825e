package refstore

import (
	"reflect"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A name that is taken for a repository in one look is one to package
// reference, with the same parts and of the same type.
func TestPlainRepository(t *testing.T) {
	letters := rapid.SampledFrom([]string{"a", "z", "0", "9", "docker.io", "localhost", "library", "A", ".", "_", "-", "__", "--", "/", ":", "é", ""})
	names := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(letters, 1, 9).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		checkPlain(t, names.Draw(t, "name"))
	})
	for _, length := range []int{254, 255, 256} {
		checkPlain(t, "docker.io/"+strings.Repeat("a", length))
	}
}

// The names that most stores are full of are told in one look.
func TestPlainRepositoryKnowsTheCommonest(t *testing.T) {
	for _, name := range []string{"docker.io/library/app", "registry.example.com/team/my-app_2.x", "ghcr.io/a/b/c"} {
		if _, ok := plainRepository(name); !ok {
			t.Errorf("%s is not plain", name)
		}
	}
}

func checkPlain(t rapid.TB, name string) {
	got, ok := plainRepository(name)
	if !ok {
		return
	}
	want, err := reference.WithName(name)
	if err != nil {
		t.Fatalf("%q is plain, but package reference says: %v", name, err)
	}
	all := cmp.Exporter(func(reflect.Type) bool { return true })
	if diff := cmp.Diff(want, got, all); diff != "" {
		t.Fatalf("%q (-want +got):\n%s", name, diff)
	}
}
