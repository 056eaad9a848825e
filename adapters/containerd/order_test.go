package containerd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// Lists are sorted by target and by reference, and a prefix finds targets, with
// and without the algorithm. (The suite for stores sees the images under other
// IDs.)
func TestOrder(t *testing.T) {
	l := newLab(t, nil)
	var ids []digest.Digest
	for i := range 12 {
		ids = append(ids, l.pull(t, fmt.Sprint(i), []string{"os"}, fmt.Sprintf("docker.io/library/i%d:1", 11-i), fmt.Sprintf("quay.io/i%d:1", i)))
	}
	slices.Sort(ids)
	err := l.backend.View(t.Context(), func(stores jettison.Stores) error {
		var got []digest.Digest
		for img, err := range stores.Images.All(t.Context()) {
			if err != nil {
				return err
			}
			got = append(got, img.ID)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("All (-want +got):\n%s", diff)
		}
		var names []string
		for a, err := range stores.References.All(t.Context()) {
			if err != nil {
				return err
			}
			names = append(names, a.Ref.String())
		}
		if !slices.IsSorted(names) || len(names) != 24 {
			t.Errorf("references: %v", names)
		}
		for _, prefix := range []string{"", "sha256:", ids[3].Encoded()[:1], "sha256:" + ids[5].Encoded()[:2], ids[7].Encoded(), ids[8].String(), "sha512:", "0000000"} {
			want := slices.DeleteFunc(slices.Clone(ids), func(id digest.Digest) bool {
				return !strings.HasPrefix(id.String(), prefix) && !strings.HasPrefix(id.Encoded(), prefix)
			})
			got, err := stores.Images.Search(t.Context(), prefix)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("Search of %q: got %v, %v, want %v", prefix, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
