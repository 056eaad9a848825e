package jettison_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// FuzzResolve plans the removal of any text (rules R1 to R7). It never panics;
// the same text always means the same; a refusal is of class InvalidArgument or
// NotFound, and of no other; a blank text is refused; Resolve and the plan agree;
// an ID begins with what was typed; and the familiar name of a reference, as it
// is recorded, means the same reference again.
func FuzzResolve(f *testing.F) {
	m := newMemory(f)
	app := m.image(storetest.Spec{Name: "app"})
	m.image(storetest.Spec{Name: "plain"})
	m.tag(app, "app", "app:1.0", "a:1", "cafe", "team/app:2", "registry.example:5000/app:3", hex(app, 12),
		"app@"+digest.FromString("m").String(), "sha512@"+digest.SHA512.FromString("m").String())
	for _, typed := range []string{app.String(), app.Encoded(), hex(app, 4), "sha256:" + hex(app, 6), hex(app, 12), hex(app, 3)} {
		f.Add(typed)
	}

	f.Fuzz(func(t *testing.T, typed string) {
		m := &memory{t: t, Service: m.Service}
		got, again := m.plan(typed, jettison.RemoveOptions{Force: true}), m.plan(typed, jettison.RemoveOptions{Force: true})
		if !slices.Equal(lines(got.Records()), lines(again.Records())) || errorText(got.Err) != errorText(again.Err) {
			t.Errorf("%q: first %v, %v, then %v, %v", typed, got.Records(), got.Err, again.Records(), again.Err)
		}
		found, err := m.Resolve(t.Context(), typed)
		if errorText(err) != errorText(got.Err) || found.Image.ID != got.Image {
			t.Errorf("%q: resolved to %s, %v, planned %s, %v", typed, found.Image.ID, err, got.Image, got.Err)
		}
		switch {
		case err != nil:
			checkRefusal(t, typed, got)
		case strings.TrimSpace(typed) == "" || len(got.Steps) == 0:
			t.Errorf("%q: %d steps and no error", typed, len(got.Steps))
		case found.Reference != nil:
			checkName(t, m, typed, found)
		case !strings.HasPrefix(found.Image.ID.String(), typed) && !strings.HasPrefix(found.Image.ID.Encoded(), typed):
			t.Errorf("%q is taken for the ID %s", typed, found.Image.ID)
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func checkRefusal(t *testing.T, typed string, r jettison.Removal) {
	t.Helper()
	if found := scripttest.Classes(r.Err); len(found) != 1 || found[0] != "InvalidArgument" && found[0] != "NotFound" {
		t.Errorf("%q: classes of %v are %v", typed, r.Err, found)
	}
	if errors.Is(r.Err, jettison.ErrNotFound) && !strings.HasPrefix(r.Err.Error(), "No such image: ") {
		t.Errorf("%q: got error %v", typed, r.Err)
	}
	if len(r.Steps) > 0 {
		t.Errorf("%q: %d steps beside %v", typed, len(r.Steps), r.Err)
	}
}

// checkName checks that the familiar name, as it is recorded, means the same
// reference, and that it is of the repository that was typed.
func checkName(t *testing.T, m *memory, typed string, found jettison.Resolved) {
	t.Helper()
	name := familiar(found.Reference)
	planned := m.plan(typed, jettison.RemoveOptions{})
	if _, first := resolution(planned); first != name {
		t.Errorf("%q removes %q, but was resolved to %q", typed, first, name)
	}
	again, err := m.Resolve(t.Context(), name)
	if err != nil || again.Image.ID != found.Image.ID || familiar(again.Reference) != name {
		t.Errorf("%q means %q of %s, but that means %v of %s, error %v",
			typed, name, found.Image.ID, again.Reference, again.Image.ID, err)
	}
	parsed, err := reference.ParseNormalizedNamed(typed)
	if err != nil || parsed.Name() != found.Reference.Name() {
		t.Errorf("%q means %q, which is another repository", typed, name)
	}
}
