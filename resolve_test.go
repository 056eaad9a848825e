package jettison_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

// hex returns the digits of an ID, or the first n of them.
func hex(id digest.Digest, n int) string { return id.Encoded()[:n] }

// resolution is how a text was taken: the image, and in reference mode the
// reference that goes first; the image itself goes first in ID mode.
func resolution(r jettison.Removal) (id digest.Digest, ref string) {
	if len(r.Steps) > 0 && r.Steps[0].Untag != nil {
		return r.Image, reference.FamiliarString(r.Steps[0].Untag)
	}
	return r.Image, ""
}

func familiar(ref reference.Named) string {
	if ref == nil {
		return ""
	}
	return reference.FamiliarString(ref)
}

// R1, R2, R4, R6: what texts mean. The image untagged has no reference, so
// that a step that untags tells of reference mode.
func TestResolve(t *testing.T) {
	m := newMemory(t)
	untagged := m.image(storetest.Spec{Name: "untagged"})
	manifest := digest.FromString("manifest")
	app := m.image(storetest.Spec{Name: "app"}, "app", "app:1.0", "registry.example:5000/team/app:2",
		"app@"+manifest.String(), "app@"+digest.SHA512.FromString("manifest").String(),
		hex(untagged, 12), "cafe:beef", "a")

	for _, c := range []struct {
		rule, typed string
		id          digest.Digest
		ref         string
	}{
		{"R1", untagged.String(), untagged, ""},
		{"R1", untagged.Encoded(), untagged, ""},
		{"R1", "app", app, "app:latest"},
		{"R1", "app:latest", app, "app:latest"},
		{"R1", "library/app", app, "app:latest"},
		{"R1", "docker.io/app", app, "app:latest"},
		{"R1", "index.docker.io/library/app", app, "app:latest"},
		{"R1", "docker.io/library/app:1.0", app, "app:1.0"},
		{"R1", "registry.example:5000/team/app:2", app, "registry.example:5000/team/app:2"},
		{"R1", "app@" + manifest.String(), app, "app@" + manifest.String()},
		{"R1", "app@" + digest.SHA512.FromString("manifest").String(), app, "app@" + digest.SHA512.FromString("manifest").String()},
		{"R2", hex(untagged, 13), untagged, ""},
		{"R2", "sha256:" + hex(untagged, 12), untagged, ""},
		{"R2: a name beats a prefix", hex(untagged, 12), app, hex(untagged, 12) + ":latest"},
		{"R3: four digits will do", "sha256:" + hex(untagged, 4), untagged, ""},
		{"R3: sixty-three digits will do", hex(untagged, 63), untagged, ""},
		{"R4: a name of one letter is no prefix", "a", app, "a:latest"},
		{"R4: a name of hex digits is a name", "cafe:beef", app, "cafe:beef"},
		{"R6", "app:nonsense@" + manifest.String(), app, "app@" + manifest.String()},
	} {
		removal := m.plan(c.typed, jettison.RemoveOptions{})
		id, ref := resolution(removal)
		if removal.Err != nil || id != c.id || ref != c.ref {
			t.Errorf("%s: %q: got image %q, reference %q, error %v\nwant image %q, reference %q",
				c.rule, c.typed, id, ref, removal.Err, c.id, c.ref)
		}
		found, err := m.Resolve(t.Context(), c.typed)
		if err != nil || found.Image.ID != c.id || familiar(found.Reference) != c.ref {
			t.Errorf("%s: Resolve(%q) = image %q, reference %v, error %v\nwant image %q, reference %q",
				c.rule, c.typed, found.Image.ID, found.Reference, err, c.id, c.ref)
		}
	}
}

// R1: what is neither an ID nor a name is refused with the parser's reason.
func TestResolveMalformed(t *testing.T) {
	m := newMemory(t)
	for _, c := range []struct{ typed, reason string }{
		{"", "empty"},
		{" ", "empty"},
		{"\t\n", "empty"},
		{"App", "must be lowercase"},
		{"docker.io/library/APP:1", "must be lowercase"},
		{strings.ToUpper(untaggedHex), "must be lowercase"},
		{"sha256:" + untaggedHex + "@", "invalid reference format"},
		{"app:", "invalid reference format"},
		{"app:-1", "invalid reference format"},
		{"app:" + strings.Repeat("1", 129), "invalid reference format"},
		{":1", "invalid reference format"},
		{"/app", "invalid reference format"},
		{"app/", "invalid reference format"},
		{"app//b", "invalid reference format"},
		{"-app", "invalid reference format"},
		{"app..b", "invalid reference format"},
		{"app b", "invalid reference format"},
		{" app", "invalid reference format"},
		{"äpp", "invalid reference format"},
		{"app\x00", "invalid reference format"},
		{"app@sha256:12", "invalid reference format"},
		{"app@sha256:" + strings.ToUpper(untaggedHex), "invalid"},
		{"app@md5:" + untaggedHex[:32], "unsupported digest algorithm"},
		{"app@whatever:" + untaggedHex, "unsupported digest algorithm"},
		{"app@sha512:" + untaggedHex, "invalid checksum digest length"},
		{strings.Repeat("a", 256), "must not be more than"},
	} {
		removal := m.plan(c.typed, jettison.RemoveOptions{})
		err := removal.Err
		if !errors.Is(err, jettison.ErrInvalidArgument) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: got error %v, want InvalidArgument with %q", c.typed, err, c.reason)
		}
		if len(removal.Steps) != 0 || removal.Image != "" {
			t.Errorf("%q: got image %q and %d steps beside the error", c.typed, removal.Image, len(removal.Steps))
		}
	}
}

const untaggedHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// R7: what is not there is named in its familiar form, with its tag.
func TestResolveNotFound(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "app"}, "app")
	sha512 := digest.SHA512.FromString("nothing").String()
	for _, c := range []struct{ typed, name string }{
		{"nothing", "nothing:latest"},
		{"nothing:1", "nothing:1"},
		{"app:1", "app:1"},
		{"docker.io/library/nothing", "nothing:latest"},
		{"docker.io/team/nothing:1", "team/nothing:1"},
		{"registry.example/nothing", "registry.example/nothing:latest"},
		{"app@" + digest.FromString("x").String(), "app@" + digest.FromString("x").String()},
		{"app:1@" + digest.FromString("x").String(), "app@" + digest.FromString("x").String()},
		{"sha256:" + untaggedHex, "sha256:" + untaggedHex},
		{untaggedHex, "sha256:" + untaggedHex},
		{sha512, sha512},
		{hex(id, 3), hex(id, 3) + ":latest"}, // R3: too short for a prefix
		{"sha256:" + hex(id, 3), "sha256:" + hex(id, 3)},
		{untaggedHex[:12], untaggedHex[:12] + ":latest"},
		{id.Encoded() + "0", id.Encoded() + "0:latest"},
		{"md5:" + hex(id, 12), "md5:" + hex(id, 12)},
		{"unknown:" + id.Encoded(), "unknown:" + id.Encoded()},
	} {
		err := m.plan(c.typed, jettison.RemoveOptions{}).Err
		if !errors.Is(err, jettison.ErrNotFound) || err.Error() != "No such image: "+c.name {
			t.Errorf("%q: got error %v, want No such image: %s", c.typed, err, c.name)
		}
	}
}

// twins makes images until the IDs of two begin with the same four digits, and
// returns those two, sorted.
func twins(m *memory) []digest.Digest {
	m.t.Helper()
	seen := make(map[string]storetest.Spec)
	for i := range 1 << 16 {
		spec := storetest.Spec{Name: strings.Repeat("x", i%7) + string(rune('A'+i))}
		id := spec.Image().ID()
		if other, ok := seen[hex(id, 4)]; ok {
			ids := []digest.Digest{m.image(spec), m.image(other)}
			slices.Sort(ids)
			return ids
		}
		seen[hex(id, 4)] = spec
	}
	m.t.Fatal("no two IDs begin alike")
	return nil
}

// R3: a prefix that fits several images is refused with all of them; one digit
// more tells them apart.
func TestResolveAmbiguous(t *testing.T) {
	m := newMemory(t)
	ids := twins(m)
	for _, typed := range []string{hex(ids[0], 4), "sha256:" + hex(ids[0], 4)} {
		err := m.plan(typed, jettison.RemoveOptions{}).Err
		var ambiguous *jettison.AmbiguousError
		if !errors.As(err, &ambiguous) || !errors.Is(err, jettison.ErrInvalidArgument) {
			t.Fatalf("%q: got error %v, want an AmbiguousError", typed, err)
		}
		want := &jettison.AmbiguousError{Prefix: typed, Candidates: ids}
		if diff := cmp.Diff(want, ambiguous); diff != "" {
			t.Errorf("%q (-want +got):\n%s", typed, diff)
		}
		for _, id := range ids {
			if !strings.Contains(err.Error(), id.String()) {
				t.Errorf("%q does not name %s: %v", typed, id, err)
			}
		}
	}
	if got := m.plan(hex(ids[0], 63), jettison.RemoveOptions{}); got.Image != ids[0] {
		t.Errorf("a longer prefix: got image %q, error %v, want %s", got.Image, got.Err, ids[0])
	}
}

// R5: an ID whose record is missing is not found, even while a reference names
// it; the reference itself goes.
func TestResolveMissingRecord(t *testing.T) {
	m := newMemory(t)
	gone := m.image(storetest.Spec{Name: "gone"}, "app:1")
	m.edit(func(tx *kvstore.Tx) error {
		_, err := tx.Images.Delete(t.Context(), gone)
		return err
	})
	if err := m.plan(gone.String(), jettison.RemoveOptions{Force: true}).Err; !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("by ID: got error %v, want NotFound", err)
	}
	for _, typed := range []string{"app:1", gone.String()} {
		if found, err := m.Resolve(t.Context(), typed); !errors.Is(err, jettison.ErrNotFound) {
			t.Errorf("Resolve(%q) = %v, %v, want NotFound", typed, found, err)
		}
	}
	records, err := m.ImageDelete(t.Context(), "app:1", jettison.RemoveOptions{})
	if diff := cmp.Diff([]string{"Untagged: app:1"}, lines(records)); diff != "" || err != nil {
		t.Errorf("by name: error %v, records (-want +got):\n%s", err, diff)
	}
}

// R5: an unreadable record goes with its references by its ID, and only the
// reference goes by its name.
func TestResolveUnreadableRecord(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "broken", Layers: []string{"a"}}, "app:1", "app:2")
	m.damage(id)
	var unreadable *imagestore.UnreadableError
	err := m.store.Read(t.Context(), func(tx *kvstore.Tx) error {
		_, err := tx.Images.Get(t.Context(), id)
		return err
	})
	if !errors.As(err, &unreadable) {
		t.Fatalf("got error %v, want an UnreadableError", err)
	}
	for _, c := range []struct {
		typed string
		want  []string
	}{
		{"app:1", []string{"Untagged: app:1"}},
		{id.String(), []string{"Untagged: app:2", "Deleted: " + id.String()}},
	} {
		records, err := m.ImageDelete(t.Context(), c.typed, jettison.RemoveOptions{Force: true})
		if diff := cmp.Diff(c.want, lines(records)); diff != "" || err != nil {
			t.Errorf("%s: error %v, records (-want +got):\n%s", c.typed, err, diff)
		}
	}
}
