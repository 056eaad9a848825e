package jettison_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// separate is a backend of two stores that can do no more than their contracts.
func separate(images jettison.ImageStore, refs jettison.ReferenceStore) jettison.Backend {
	return jettison.Separate(jettison.Stores{
		Images:     jettison.Images{ImageStore: images},
		References: jettison.References{ReferenceStore: refs},
	})
}

// abilitiesIn names what the stores can do beyond their contracts.
func abilitiesIn(stores jettison.Stores) map[string]bool {
	images, refs := stores.Images, stores.References
	return map[string]bool{
		"referrers": images.Referrers != nil, "platforms": images.Platforms != nil, "named": images.Named != nil,
		"collector": images.Collector != nil, "short": refs.Short != nil, "digests": refs.Digests != nil,
		"remover": stores.Containers.Remover != nil,
	}
}

// A view of separate stores has the abilities that a plan needs, and neither those
// nor the stores change anything through it.
func TestSeparateShowsViewsWhatReads(t *testing.T) {
	able, img := backends.Able(), storetest.Spec{Name: "app"}.Image()
	state := storetest.State{Images: []storetest.Image{img}, Containers: []jettison.Container{{ID: "c", Image: img.ID()}}}
	o := able.Open(t, state)
	before := o.Dump(t)
	err := o.Backend.Update(t.Context(), func(stores jettison.Stores) error {
		b := jettison.Separate(stores)
		all, some := abilitiesIn(stores), abilitiesIn(stores)
		some["named"], some["collector"] = false, false
		look := func(what string, want map[string]bool) func(jettison.Stores) error {
			return func(stores jettison.Stores) error {
				if diff := cmp.Diff(want, abilitiesIn(stores)); diff != "" {
					t.Errorf("abilities in %s (-want +got):\n%s", what, diff)
				}
				return nil
			}
		}
		if err := b.Update(t.Context(), look("an update", all)); err != nil {
			return err
		}
		if err := b.View(t.Context(), look("a view", some)); err != nil {
			return err
		}
		return b.View(t.Context(), func(stores jettison.Stores) error {
			for what, write := range writesOf(stores, img.ID()) {
				wantClass(t, what+" in a view", write(t.Context()), "Internal")
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, o.Dump(t)); diff != "" {
		t.Errorf("a view changed the stores (-before +after):\n%s", diff)
	}
}

// writesOf are changes to an image that stores are asked for.
func writesOf(stores jettison.Stores, id digest.Digest) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Delete": func(ctx context.Context) error { _, err := stores.Images.Delete(ctx, id); return err },
		"Replace": func(ctx context.Context) error {
			_, _, err := stores.Images.Platforms.Replace(ctx, id, nil)
			return err
		},
		"RemoveContainer": func(ctx context.Context) error {
			return stores.Containers.Remover.RemoveContainer(ctx, jettison.Container{ID: "c"})
		},
		"Leases.Add":    func(ctx context.Context) error { return stores.Leases.Add(ctx, id, conflict.Lease{ID: "l"}) },
		"Leases.Remove": func(ctx context.Context) error { return stores.Leases.Remove(ctx, id, "l") },
	}
}

// L2: where separate stores have leases of their own, those keep images.
func TestSeparateTakesLeases(t *testing.T) {
	app := storetest.Spec{Name: "app"}.Image()
	o := backends.Maps().Open(t, storetest.State{Images: []storetest.Image{app}})
	err := o.Backend.Update(t.Context(), func(stores jettison.Stores) error {
		lease := conflict.Lease{ID: "l", Kind: conflict.LeasePull, Owner: "another"}
		if err := stores.Leases.Add(t.Context(), app.ID(), lease); err != nil {
			return err
		}
		_, err := jettison.New(jettison.Separate(stores), nil).ImageDelete(t.Context(), app.ID().String(), jettison.RemoveOptions{Force: true})
		wantClass(t, "an image with a lease", err, "Conflict")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
