package conflict_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

var short = conflict.Short(image.String())

// D9: the text is that of the first conflict, one for each kind.
func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		kind conflict.Kind
		want string
	}{
		{conflict.DependentChild, "(cannot be forced) - image has dependent child images"},
		{conflict.RunningContainer, "(cannot be forced) - image is being used by running container eeee0000eeee"},
		{conflict.Leased, "(cannot be forced) - image is being used by pull puller"},
		{conflict.ActiveReference, "(must be forced) - image is referenced in multiple repositories"},
		{conflict.StoppedContainer, "(must be forced) - image is being used by stopped container cccc0000cccc"},
	} {
		want := "conflict: unable to delete " + short + " " + c.want
		if got := check(t, everything(t), c.kind).Error(); got != want {
			t.Errorf("%s: got  %s\nwant %s", c.kind, got, want)
		}
	}
}

// D9: hard conflicts come first, so their text wins; among the soft ones the
// reference does.
func TestErrorTextIsThatOfTheFirst(t *testing.T) {
	order := []conflict.Kind{
		conflict.DependentChild, conflict.RunningContainer, conflict.Leased,
		conflict.ActiveReference, conflict.StoppedContainer,
	}
	for i, first := range order {
		var mask conflict.Kind
		for _, kind := range order[i:] {
			mask |= kind
		}
		if got, want := check(t, everything(t), mask).Error(), check(t, everything(t), first).Error(); got != want {
			t.Errorf("%s: got  %s\nwant %s", mask, got, want)
		}
	}
}

// D1: the text when only the removal of a reference was asked for names what
// was typed.
func TestErrorTextOfReference(t *testing.T) {
	for _, c := range []struct {
		kind conflict.Kind
		user string
	}{
		{conflict.RunningContainer, "container eeee0000eeee"},
		{conflict.StoppedContainer, "container cccc0000cccc"},
		{conflict.Leased, "pull puller"},
	} {
		refused := check(t, everything(t), c.kind)
		refused.Reference = "localhost/App:1"
		want := `conflict: unable to remove repository reference "localhost/App:1" (must force) - ` +
			c.user + " is using its referenced image " + short
		if got := refused.Error(); got != want {
			t.Errorf("%s: got  %s\nwant %s", c.kind, got, want)
		}
	}
}

// M2: the text when only platforms of an index were to go names the first use, or
// all references.
func TestErrorTextOfPlatforms(t *testing.T) {
	names := make([]string, 0, 2)
	for _, c := range check(t, everything(t), conflict.ActiveReference).Conflicts {
		names = append(names, strings.TrimPrefix(c.String(), "active reference "))
	}
	for want, kinds := range map[string]conflict.Kind{
		"(cannot be forced) - image is being used by " + check(t, everything(t), conflict.RunningContainer).Conflicts[0].String(): conflict.InUse,
		"(must be forced) - " + strings.Join(names, ", ") + " would name an index without them":                                   conflict.ActiveReference,
	} {
		refused := check(t, everything(t), kinds)
		refused.Platforms = true
		want = "conflict: unable to remove platforms of " + short + " " + want
		if got := refused.Error(); got != want {
			t.Errorf("%s: got  %s\nwant %s", kinds, got, want)
		}
		if !errors.Is(refused, jettison.ErrConflict) {
			t.Errorf("%s: not of class Conflict", kinds)
		}
	}
	bare := &conflict.Error{Image: image, Platforms: true}
	if got, want := bare.Error(), "conflict: unable to remove platforms of "+short+" (must be forced) - the index would be without them"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestErrorHardAndInUse(t *testing.T) {
	for _, c := range []struct {
		kind        conflict.Kind
		hard, inUse bool
	}{
		{conflict.DependentChild, true, false},
		{conflict.RunningContainer, true, true},
		{conflict.Leased, true, true},
		{conflict.ActiveReference, false, false},
		{conflict.StoppedContainer, false, true},
		{conflict.Hard | conflict.Soft, true, true},
		{conflict.Soft, false, true},
	} {
		found := check(t, everything(t), c.kind)
		if got := found.Hard(); got != c.hard {
			t.Errorf("%s: Hard = %t, want %t", c.kind, got, c.hard)
		}
		if got := found.InUse(); got != c.inUse {
			t.Errorf("%s: InUse = %t, want %t", c.kind, got, c.inUse)
		}
		found.Reference = "app"
		if found.Hard() {
			t.Errorf("%s: the refusal to remove a reference is hard, but force overrides it (D1)", c.kind)
		}
	}
}

// %+v lists every conflict with a hint; every other verb writes the text.
func TestErrorFormat(t *testing.T) {
	found := check(t, everything(t), conflict.Hard|conflict.Soft)
	want := strings.Join([]string{
		"conflict: unable to delete " + short + " (cannot be forced) - image has dependent child images",
		"  - dependent child " + firstChild.String() + "; delete the child image first",
		"  - dependent child " + otherChild.String() + "; delete the child image first",
		"  - running container eeee0000eeee0000; stop and remove the container first",
		"  - running container web (ffff0000ffff); stop and remove the container first",
		"  - lease lease-1 (pull by puller); wait for the pull to finish, or release its lease",
		"  - lease lease-2 (build by builder); wait for the build to finish, or release its lease",
		"  - active reference a:1; remove this reference, or force the deletion",
		"  - active reference b:1; remove this reference, or force the deletion",
		"  - stopped container old (cccc0000cccc); remove the container, or force the deletion",
		"  - stopped container dddd0000dddd0000; remove the container, or force the deletion",
	}, "\n")
	if diff := cmp.Diff(want, fmt.Sprintf("%+v", found)); diff != "" {
		t.Errorf("%%+v (-want +got):\n%s", diff)
	}
	for verb, want := range map[string]string{
		"%v": found.Error(),
		"%s": found.Error(),
		"%q": fmt.Sprintf("%q", found.Error()),
	} {
		if got := fmt.Sprintf(verb, found); got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
}

// A container that another program keeps is told apart, and so is what to remove
// it with. The text that rule D9 fixes stays.
func TestContainerOfAnotherOwner(t *testing.T) {
	c := conflict.Container{ID: "0123456789abcdef", Name: "work", Owner: "buildah"}
	for _, test := range []struct {
		running          bool
		name, hint, text string
	}{
		{
			false, "stopped container work (0123456789ab) of buildah",
			"remove the container with buildah, or force the deletion", "image is being used by stopped container 0123456789ab",
		},
		{
			true, "running container work (0123456789ab) of buildah",
			"stop and remove the container with buildah first", "image is being used by running container 0123456789ab",
		},
	} {
		c.Running = test.running
		found := conflict.Conflict{Kind: c.Kind(), Container: c}
		refused := &conflict.Error{Image: image, Conflicts: []conflict.Conflict{found}}
		got := []string{c.String(), found.String(), found.Hint()}
		if diff := cmp.Diff([]string{test.name, test.name, test.hint}, got); diff != "" {
			t.Errorf("running %t (-want +got):\n%s", test.running, diff)
		}
		if !strings.HasSuffix(refused.Error(), " - "+test.text) {
			t.Errorf("got error %q, want it to end in %q", refused.Error(), test.text)
		}
	}
	if got, want := (conflict.Container{ID: "0123"}).String(), "stopped container 0123"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The hint of a kind that nobody knows is still a sentence, not a panic.
func TestHintOfUnknownKind(t *testing.T) {
	if got := (conflict.Conflict{Kind: 1 << 7}).Hint(); got == "" {
		t.Error("no hint")
	}
}

// E1
func TestErrorClass(t *testing.T) {
	err := fmt.Errorf("app: %w", check(t, everything(t), conflict.Leased))
	for _, sentinel := range []error{
		jettison.ErrInvalidArgument, jettison.ErrNotFound, jettison.ErrConflict,
		jettison.ErrUnavailable, jettison.ErrInternal,
	} {
		if got, want := errors.Is(err, sentinel), sentinel == jettison.ErrConflict; got != want { //nolint:errorlint // which sentinel it is
			t.Errorf("is %v: %t, want %t", sentinel, got, want)
		}
	}
	var typed *conflict.Error
	if !errors.As(err, &typed) || typed.Image != image {
		t.Errorf("As gives %v", typed)
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"", ""},
		{"abc", "abc"},
		{"0123456789abcdef", "0123456789ab"},
		{"sha256:0123456789abcdef", "0123456789ab"},
		{"sha512:01", "01"},
		{digest.FromString("x").String(), digest.FromString("x").Encoded()[:12]},
	} {
		if got := conflict.Short(c.id); got != c.want {
			t.Errorf("Short(%q) = %q, want %q", c.id, got, c.want)
		}
	}
}

// A stopped container that holds its image is as hard as a running one, and is
// called what it is.
func TestContainerThatHolds(t *testing.T) {
	held := &facts{containers: []conflict.Container{{ID: "c1", Name: "web", Holds: true}, {ID: "c2"}, {ID: "c3", Running: true, Holds: true}}}
	err, failed := conflict.Check(t.Context(), held, image, conflict.Hard)
	if failed != nil {
		t.Fatal(failed)
	}
	want := "conflict: unable to delete " + conflict.Short(image.String()) + " (cannot be forced) - image is being used by running container c3\n" +
		"  - running container c3; stop and remove the container first\n" +
		"  - stopped container web (c1); remove the container first"
	if diff := cmp.Diff(want, fmt.Sprintf("%+v", err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if !err.Hard() || len(err.Conflicts) != 2 {
		t.Errorf("conflicts: got %v, want those that hold", err.Conflicts)
	}
}

// The hint for a lease says what ends it, and for what cannot be released it says
// nothing of releasing.
func TestHintOfLease(t *testing.T) {
	for kind, want := range map[conflict.LeaseKind]string{
		conflict.LeasePull:     "wait for the pull to finish, or release its lease",
		conflict.LeaseForeign:  "wait until the program that holds the lease has finished, or end it there",
		conflict.LeaseMount:    "unmount the image where it is mounted",
		conflict.LeasePin:      "let the program that pinned the image unpin it",
		conflict.LeaseName:     "remove this name with the program that made it",
		conflict.LeaseReadOnly: "remove the image where that store can be changed",
		"reservation":          "release the reservation",
	} {
		found := conflict.Conflict{Kind: conflict.Leased, Lease: conflict.Lease{ID: "l1", Kind: kind}}
		if got := found.Hint(); got != want {
			t.Errorf("hint for a lease of kind %q: got %q, want %q", kind, got, want)
		}
	}
}
