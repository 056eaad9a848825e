package jettison_test

import (
	"context"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
)

// ableImages are images with every optional ability.
type ableImages struct{ *garbageImages }

func (ableImages) Referrers(context.Context, digest.Digest) ([]digest.Digest, error) { return nil, nil }

func (ableImages) Subjects(context.Context, digest.Digest) ([]digest.Digest, error) { return nil, nil }

func (ableImages) Without(context.Context, digest.Digest, []digest.Digest) (imagestore.Image, error) {
	return imagestore.Image{}, jettison.ErrNotFound
}

func (ableImages) Replace(context.Context, digest.Digest, []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	return imagestore.Image{}, imagestore.Removed{}, jettison.ErrNotFound
}

// ableReferences are references whose store completes names.
type ableReferences struct{ *backends.MapReferences }

func (ableReferences) Candidates(context.Context, string) ([]reference.Named, error) { return nil, nil }

// A backend of separate stores has the abilities of its stores. A view collects
// no garbage, for it makes none.
func TestSeparateHasTheAbilitiesOfItsStores(t *testing.T) {
	b := jettison.Separate(ableImages{&garbageImages{MapImages: backends.NewMapImages()}}, ableReferences{backends.NewMapReferences()}, nil)
	look := func(collects bool) func(jettison.Stores) error {
		return func(stores jettison.Stores) error {
			_, referrers := stores.Images.(jettison.ReferrerStore)
			_, platforms := stores.Images.(jettison.PlatformStore)
			_, collector := stores.Images.(jettison.Collector)
			_, names := stores.References.(jettison.ShortNamer)
			if !referrers || !platforms || !names || collector != collects {
				t.Errorf("referrers %t, platforms %t, names %t, collector %t; want the last to be %t", referrers, platforms, names, collector, collects)
			}
			return nil
		}
	}
	if err := b.View(t.Context(), look(false)); err != nil {
		t.Error(err)
	}
	if err := b.Update(t.Context(), look(true)); err != nil {
		t.Error(err)
	}
}
