package filter_test

import (
	"errors"
	"path"
	"testing"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
)

const hex = "5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270"

func named(t testing.TB, text string) reference.Named {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// P4: the familiar and the full form, each with and without what follows the
// name.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		ref      string
		fits     []string
		fitsNone []string
	}{
		{
			"app:1.0",
			[]string{
				"app:1.0", "app", "a*", "*", "app:*", "*:1.0", "a?p", "[a-c]pp:1.?", `\app`,
				"docker.io/library/app:1.0", "docker.io/library/app", "docker.io/library/*", "docker.io/*/app:1.*", "*/*/*",
			},
			[]string{
				"app:1", "app:2.0", "ap", "pp", "library/app", "*/*", "docker.io/*", "App", "index.docker.io/library/app",
				"app:1.0/", " app",
			},
		},
		{
			"example/tool:latest",
			[]string{"example/tool", "example/*", "*/tool:latest", "docker.io/example/tool", "docker.io/*/*:latest"},
			[]string{"tool", "*", "tool:latest", "docker.io/library/*"},
		},
		{
			"registry.example.com:5000/a/b:v1",
			[]string{"registry.example.com:5000/a/b", "registry.example.com:5000/a/b:v1", "*/a/b", "*/*/*:v[0-9]"},
			[]string{"a/b", "docker.io/a/b", "registry.example.com/a/b", "*:v1"},
		},
		{
			"app@sha256:" + hex,
			[]string{"app", "app@sha256:" + hex, "app@*", "*@sha256:5b0b*", "docker.io/library/app@*", "docker.io/library/app"},
			[]string{"app:*", "sha256:*", hex, "app:latest"},
		},
	} {
		for want, patterns := range map[bool][]string{true: c.fits, false: c.fitsNone} {
			for _, text := range patterns {
				p, err := filter.NewPattern(text)
				if err != nil {
					t.Fatal(err)
				}
				if got := p.Match(named(t, c.ref)); got != want {
					t.Errorf("%q on %s: got %v, want %v", text, c.ref, got, want)
				}
				if p.String() != text {
					t.Errorf("got %q, want the text as given, %q", p, text)
				}
			}
		}
	}
}

func TestPatternRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"": "empty value", " \t": "empty value",
		"[": "syntax error in pattern", "app[": "syntax error in pattern", "a*[]": "syntax error in pattern",
		`app\`: "syntax error in pattern", "[b-": "syntax error in pattern", "x/y/[-]": "syntax error in pattern",
	} {
		_, err := filter.NewPattern(text)
		if want := "invalid pattern '" + text + "': " + reason; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if !errors.Is(err, jettison.ErrInvalidArgument) {
			t.Errorf("%q: got %v, want class InvalidArgument", text, err)
		}
	}
}

func TestZeroPattern(t *testing.T) {
	if (filter.Pattern{}).Match(named(t, "app")) {
		t.Error("the zero pattern fits app")
	}
}

// A pattern that is accepted is one that path.Match understands on every name,
// and fits what one of the four forms fits.
func FuzzNewPattern(f *testing.F) {
	for _, text := range []string{"app", "*", "a[", "[^a]*", `\`, "a*[b-", "[a-]", "*/*@*", "é"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := filter.NewPattern(text)
		if err != nil {
			return
		}
		full := named(t, "docker.io/library/app:1.0")
		want := false
		for _, name := range []string{"app", "app:1.0", "docker.io/library/app", full.String()} {
			ok, err := path.Match(text, name)
			if err != nil {
				t.Errorf("accepted, but %v on %s", err, name)
			}
			want = want || ok
		}
		if got := p.Match(full); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	})
}
