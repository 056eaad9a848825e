package ocilayout_test

import (
	"testing"

	"github.com/jettison-oci/jettison/ocilayout"
)

// An image that is deleted and added again in one Update keeps its blobs.
func TestDeleteAndAdd(t *testing.T) {
	dir := faultLayout(t)
	before := files(t, dir)
	err := open(t, dir).Edit(t.Context(), func(tx *ocilayout.Tx) error {
		if _, err := tx.Stores().Images.Delete(t.Context(), faultImage(1).ID()); err != nil {
			return err
		}
		_, err := tx.Add(t.Context(), putImage(t, dir, faultImage(1)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := files(t, dir); len(after) != len(before) {
		t.Errorf("got files %q, want %q", after, before)
	}
}
