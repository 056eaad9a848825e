package backends_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

func state() storetest.State {
	base := storetest.Spec{Name: "base", Layers: []string{"os"}}.Image()
	app := storetest.Spec{Name: "app", Layers: []string{"os", "app"}, Parent: base.ID(), Labels: map[string]string{"a": "b"}}.Image()
	return storetest.State{
		Images: []storetest.Image{base, app},
		References: []storetest.Reference{
			{Name: "app:1", Image: app.ID()},
			{Name: "app@" + app.ID().String(), Image: app.ID()},
			{Name: "gone", Image: storetest.DiffID("gone")},
		},
		Containers: []jettison.Container{{ID: "c1", Image: app.ID()}},
		Leases:     []storetest.Lease{{Image: base.ID(), Lease: conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "me"}}},
	}
}

// Every backend dumps one state in the same lines, and changes show in them.
func TestDumpIsTheSame(t *testing.T) {
	var want []string
	for _, b := range backends.Alike() {
		t.Run(b.Name, func(t *testing.T) {
			got := b.Open(t, state()).Dump(t)
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("dump differs (-first +this):\n%s", diff)
			}
		})
	}
}

func TestPowers(t *testing.T) {
	for _, b := range backends.All() {
		t.Run(b.Name, func(t *testing.T) {
			st := b.Fit(state())
			base, app := st.Images[0].ID(), st.Images[1].ID()
			o := b.Open(t, st)
			if err := o.Start(t.Context(), "c1"); err != nil {
				t.Fatal(err)
			}
			o.Damage(t, base)
			o.Forget(t, app)
			got := o.Dump(t)
			for _, want := range []string{
				"image " + base.String() + " unreadable",
				"reference docker.io/library/app:1 -> " + app.String(),
				"container c1 name= image=" + app.String() + " mounts=[] running=true",
			} {
				if !b.Dangling && strings.HasPrefix(want, "reference ") {
					continue // it went with its image
				}
				if !slices.Contains(got, want) {
					t.Errorf("dump %q lacks %q", got, want)
				}
			}
			if err := o.RemoveContainer(t.Context(), "c1"); err != nil {
				t.Error(err)
			}
		})
	}
}
