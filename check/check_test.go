package check_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/check"
)

// C2: a finding is one line, whatever bytes a damaged key has.
func TestFindingIsOneLine(t *testing.T) {
	for _, c := range []struct {
		finding check.Finding
		want    string
	}{
		{
			check.Finding{Kind: check.WrongCount, Key: "layer/x", Problem: "it counts 2", Repair: "the count is corrected"},
			"wrong count: layer/x: it counts 2; repair: the count is corrected",
		},
		{
			check.Finding{
				Kind: check.MissingContent, Path: "/store/blobs/x", Problem: "gone", Repair: "load it again",
				Images: []string{"app:1.0", "web:1.0"}, Repaired: true,
			},
			"missing content: /store/blobs/x: gone (app:1.0, web:1.0); repaired: load it again",
		},
		{
			check.Finding{Kind: check.UnknownKey, Key: "a\nb\xff", Problem: "what", Repair: "it goes"},
			`unknown key: "a\nb\xff": what; repair: it goes`,
		},
	} {
		if got := c.finding.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// C2: findings are sorted by where they are, then by kind, then by their text.
func TestSort(t *testing.T) {
	want := []check.Finding{
		{Path: "a", Kind: check.StrayFile},
		{Key: "b", Kind: check.StrayEntry, Problem: "1"},
		{Key: "b", Kind: check.StrayEntry, Problem: "2"},
		{Key: "b", Kind: check.WrongCount},
		{Key: "c", Kind: check.StrayEntry},
	}
	got := []check.Finding{want[4], want[2], want[3], want[0], want[1]}
	check.Sort(got)
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-) and want (+):\n%s", diff)
	}
}

func TestLeft(t *testing.T) {
	findings := []check.Finding{{Key: "a", Repaired: true}, {Key: "b"}}
	if got := check.Left(findings); len(got) != 1 || got[0].Key != "b" || len(findings) != 2 || findings[0].Key != "a" {
		t.Errorf("got %v of %v, want what is not repaired", got, findings)
	}
}
