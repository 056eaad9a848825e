package conflict_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison/conflict"
)

// facts answers from lists. An error, if set, is the answer to everything.
type facts struct {
	children   []digest.Digest
	containers []conflict.Container
	leases     []conflict.Lease
	references []reference.Named
	err        error
}

func (f *facts) Children(context.Context, digest.Digest) ([]digest.Digest, error) {
	return f.children, f.err
}

func (f *facts) Containers(context.Context, digest.Digest) ([]conflict.Container, error) {
	return f.containers, f.err
}

func (f *facts) Leases(context.Context, digest.Digest) ([]conflict.Lease, error) {
	return f.leases, f.err
}

func (f *facts) References(context.Context, digest.Digest) ([]reference.Named, error) {
	return f.references, f.err
}

var (
	image      = digest.FromString("image")
	firstChild = digest.Digest("sha256:1111111111111111111111111111111111111111111111111111111111111111")
	otherChild = digest.Digest("sha256:2222222222222222222222222222222222222222222222222222222222222222")
)

func named(t testing.TB, text string) reference.Named {
	t.Helper()
	ref, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// everything has two obstacles of each kind, in no order.
func everything(t testing.TB) *facts {
	t.Helper()
	return &facts{
		children: []digest.Digest{otherChild, firstChild},
		containers: []conflict.Container{
			{ID: "ffff0000ffff0000", Name: "web", Running: true},
			{ID: "dddd0000dddd0000"},
			{ID: "cccc0000cccc0000", Name: "old"},
			{ID: "eeee0000eeee0000", Running: true},
		},
		leases: []conflict.Lease{
			{ID: "lease-2", Kind: conflict.LeaseBuild, Owner: "builder"},
			{ID: "lease-1", Kind: conflict.LeasePull, Owner: "puller"},
		},
		references: []reference.Named{named(t, "b:1"), named(t, "a:1")},
	}
}

func check(t *testing.T, f conflict.Facts, mask conflict.Kind) *conflict.Error {
	t.Helper()
	found, err := conflict.Check(t.Context(), f, image, mask)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// D9: all conflicts, in the order of the kinds, each kind sorted.
func TestCheckFindsAllInOrder(t *testing.T) {
	found := check(t, everything(t), conflict.Hard|conflict.Soft)
	var got []string
	for _, c := range found.Conflicts {
		got = append(got, c.String())
	}
	want := []string{
		"dependent child " + firstChild.String(),
		"dependent child " + otherChild.String(),
		"running container eeee0000eeee0000",
		"running container web (ffff0000ffff)",
		"lease lease-1 (pull by puller)",
		"lease lease-2 (build by builder)",
		"active reference a:1",
		"active reference b:1",
		"stopped container old (cccc0000cccc)",
		"stopped container dddd0000dddd0000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
	if found.Image != image {
		t.Errorf("Image = %s, want %s", found.Image, image)
	}
}

// Each kind of the mask is looked for, and no other.
func TestCheckObeysTheMask(t *testing.T) {
	for mask := conflict.Kind(1); mask <= conflict.Hard|conflict.Soft; mask++ {
		found := check(t, everything(t), mask)
		var got conflict.Kind
		for _, c := range found.Conflicts {
			got |= c.Kind
		}
		if got != mask {
			t.Errorf("mask %s: found %s", mask, got)
		}
	}
}

func TestCheckFindsNothing(t *testing.T) {
	if found := check(t, &facts{}, conflict.Hard|conflict.Soft); found != nil {
		t.Errorf("no facts: got %v, want nil", found)
	}
	if found := check(t, everything(t), 0); found != nil {
		t.Errorf("empty mask: got %v, want nil", found)
	}
}

// The error of the facts comes back as it is, never as a conflict.
func TestCheckPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	for _, mask := range []conflict.Kind{
		conflict.DependentChild, conflict.RunningContainer,
		conflict.Leased, conflict.ActiveReference, conflict.StoppedContainer,
	} {
		found, err := conflict.Check(t.Context(), &facts{err: broken}, image, mask)
		if found != nil || err != broken { //nolint:errorlint // the very error is promised
			t.Errorf("%s: got %v, %v, want the facts' error", mask, found, err)
		}
	}
}

// L2: a lease ends at the moment it expires; without one it never does.
func TestLeaseLive(t *testing.T) {
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		expires time.Time
		want    bool
	}{
		{"never", time.Time{}, true},
		{"later", now.Add(1), true},
		{"now", now, false},
		{"before", now.Add(-1), false},
	} {
		if got := (conflict.Lease{Expires: c.expires}).Live(now); got != c.want {
			t.Errorf("%s: Live = %t, want %t", c.name, got, c.want)
		}
	}
}

func TestKindString(t *testing.T) {
	for _, c := range []struct {
		kind conflict.Kind
		want string
	}{
		{0, ""},
		{conflict.Leased, "lease"},
		{conflict.Hard, "dependent child|running container|lease"},
		{conflict.Soft, "active reference|stopped container"},
		{conflict.InUse, "running container|lease|stopped container"},
	} {
		if got := c.kind.String(); got != c.want {
			t.Errorf("Kind(%d) = %q, want %q", c.kind, got, c.want)
		}
	}
}

func drawFacts(t *rapid.T) *facts {
	id := rapid.StringMatching(`[0-9a-f]{64}`)
	f := &facts{
		children: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) digest.Digest {
			return digest.NewDigestFromEncoded(digest.SHA256, id.Draw(t, "child"))
		}), 0, 4).Draw(t, "children"),
		containers: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) conflict.Container {
			return conflict.Container{ID: id.Draw(t, "container"), Running: rapid.Bool().Draw(t, "running")}
		}), 0, 4).Draw(t, "containers"),
		leases: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) conflict.Lease {
			return conflict.Lease{ID: id.Draw(t, "lease"), Kind: conflict.LeasePull, Owner: "owner"}
		}), 0, 4).Draw(t, "leases"),
	}
	for _, text := range rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,3}/[a-z]{1,3}:[0-9]{1,2}`), 0, 4).Draw(t, "references") {
		ref, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			t.Fatal(err)
		}
		f.references = append(f.references, ref)
	}
	return f
}

// position is what rule D9 sorts by.
func position(c conflict.Conflict) []string {
	kind := slices.Index([]conflict.Kind{
		conflict.DependentChild, conflict.RunningContainer, conflict.Leased,
		conflict.ActiveReference, conflict.StoppedContainer,
	}, c.Kind)
	key := c.Child.String() + c.Container.ID + c.Lease.ID
	if c.Reference != nil {
		key = c.Reference.String()
	}
	return []string{string(rune('0' + kind)), key}
}

// D9: whatever the facts and their order, the conflicts are sorted and none is
// lost, and the order of the facts makes no difference.
func TestConflictsAreSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		found, err := conflict.Check(context.Background(), f, image, conflict.Hard|conflict.Soft)
		if err != nil {
			t.Fatal(err)
		}
		count := len(f.children) + len(f.containers) + len(f.leases) + len(f.references)
		if found == nil {
			if count > 0 {
				t.Fatalf("found nothing, want %d conflicts", count)
			}
			return
		}
		if len(found.Conflicts) != count {
			t.Fatalf("found %d conflicts, want %d", len(found.Conflicts), count)
		}
		if !slices.IsSortedFunc(found.Conflicts, func(a, b conflict.Conflict) int {
			return slices.Compare(position(a), position(b))
		}) {
			t.Fatalf("not sorted: %+v", found)
		}
		slices.Reverse(f.children)
		slices.Reverse(f.containers)
		slices.Reverse(f.leases)
		slices.Reverse(f.references)
		again, err := conflict.Check(context.Background(), f, image, conflict.Hard|conflict.Soft)
		if err != nil || again.Error() != found.Error() {
			t.Fatalf("in another order: got %v, %v, want %v", again, err, found)
		}
	})
}
