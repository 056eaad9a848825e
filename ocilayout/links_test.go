package ocilayout_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jettison-oci/jettison"
)

// Blobs behind a link that leads out of the layout may be those of another
// layout too: they stay.
func TestBlobsOfSeveralLayouts(t *testing.T) {
	for _, link := range []string{"blobs", "blobs/sha256"} {
		t.Run(link, func(t *testing.T) {
			dir, outside := faultLayout(t), filepath.Join(t.TempDir(), "shared")
			if err := os.Rename(filepath.Join(dir, link), outside); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
			before := files(t, outside)
			l := open(t, dir)
			report, err := jettison.New(l, nil).ImagesPrune(t.Context(), jettison.PruneOptions{All: true})
			if err != nil || len(report.ImagesDeleted) == 0 || report.SpaceReclaimed != 0 {
				t.Errorf("got %+v, %v, want images deleted and no space reclaimed", report, err)
			}
			repair(t, l)
			if after := files(t, outside); len(after) != len(before) {
				t.Errorf("got %d blobs, want %d", len(after), len(before))
			}
		})
	}
}

// A lock file that is a link leads to no file outside.
func TestLockIsNoLink(t *testing.T) {
	dir, victim := faultLayout(t), filepath.Join(t.TempDir(), "victim")
	write(t, victim, []byte("precious"))
	if err := os.Symlink(victim, filepath.Join(dir, ".jettison-lock")); err != nil {
		t.Fatal(err)
	}
	_, err := jettison.New(open(t, dir), nil).ImageDelete(t.Context(), "app:1.0", jettison.RemoveOptions{})
	if !errors.Is(err, jettison.ErrUnavailable) || read(t, victim) != "precious" {
		t.Errorf("got %v and %q, want the file as it was", err, read(t, victim))
	}
}
