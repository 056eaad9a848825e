package diskstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/diskstore"
)

// C6: content that may not be read is reported and never costs an image; a
// directory that may not be listed is an error that names it.
func TestMissingRightsAreNamedByCheck(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root has all rights")
	}
	s := open(t, t.TempDir())
	_, err := load(t.Context(), s, "app", "layer")
	must(t, err)
	must(t, os.Chmod(blobPath(s.Dir(), "layer"), 0))
	opts := diskstore.RepairOptions{DropIncomplete: true}
	opts.Content = true
	report, err := s.Repair(t.Context(), opts)
	must(t, err)
	left := check.Left(report.Findings)
	if len(left) != 1 || left[0].Kind != check.InaccessibleContent || len(tags(t, s)) != 1 {
		t.Errorf("got %v and names %v, want inaccessible content of an image that stays", left, tags(t, s))
	}
	dir := filepath.Join(s.Dir(), "blobs", "sha256")
	must(t, os.Chmod(dir, 0))
	defer os.Chmod(dir, 0o700) //nolint:errcheck // the test ends
	_, err = s.Check(t.Context(), diskstore.CheckOptions{})
	wants(t, err, jettison.ErrUnavailable, dir)
	wants(t, err, jettison.ErrUnavailable, "permission denied")
	_, err = s.Repair(t.Context(), opts)
	wants(t, err, jettison.ErrUnavailable, dir)
}
