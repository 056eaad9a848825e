package jettison_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// What filters name is looked for once, with the errors of a prune; the time of
// creation bounds strictly, and several filters hold together (P4).
func TestSelect(t *testing.T) {
	at := func(hours int) time.Time { return time.Unix(1e9, 0).Add(time.Duration(hours) * time.Hour) }
	images := []storetest.Image{
		storetest.Spec{Name: "old", Created: at(0)}.Image(),
		storetest.Spec{Name: "middle", Created: at(1), Labels: map[string]string{"a": "b"}}.Image(),
		storetest.Spec{Name: "new", Created: at(2), Labels: map[string]string{"a": "b"}}.Image(),
		storetest.Spec{Name: "undated"}.Image(),
	}
	o := backends.Maps().Open(t, storetest.State{Images: images, References: []storetest.Reference{{Name: "app:1", Image: images[1].ID()}}})
	service := jettison.New(o.Backend, nil)
	old, newest, undated := images[0].ID().String(), images[2].ID().String(), images[3].ID().String()
	for _, tt := range []struct {
		name   string
		args   filter.Args
		chosen string // which of the images, one digit each
		class  error
	}{
		{"all", filter.Args{}, "1111", nil},
		{"since", filter.Args{filter.Since: {old}}, "0110", nil},
		{"before", filter.Args{filter.Before: {newest}}, "1100", nil},
		{"label and before", filter.Args{filter.Label: {"a=b"}, filter.Before: {newest}}, "0100", nil},
		{"reference", filter.Args{filter.Reference: {"app:*"}}, "0100", nil},
		{"dangling", filter.Args{filter.Dangling: {"true"}}, "1011", nil},
		{"not dangling", filter.Args{filter.Dangling: {"false"}}, "0100", nil},
		{"orphaned where nothing is about anything", filter.Args{filter.Orphaned: {"true"}}, "0000", nil},
		{"since what is not there", filter.Args{filter.Since: {"gone"}}, "", jettison.ErrNotFound},
		{"since what has no time", filter.Args{filter.Since: {undated}}, "", jettison.ErrInvalidArgument},
		{"the wrong way round", filter.Args{filter.Since: {newest}, filter.Before: {old}}, "", jettison.ErrInvalidArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			filters, err := filter.New(tt.args, at(9))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			err = o.Backend.View(t.Context(), func(stores jettison.Stores) error {
				selection, err := service.Select(t.Context(), stores, filters)
				if err != nil {
					return err
				}
				for _, img := range images {
					record, err := stores.Images.Get(t.Context(), img.ID())
					if err != nil {
						return err
					}
					refs, err := stores.References.References(t.Context(), img.ID())
					if err != nil {
						return err
					}
					chosen, err := selection.Chooses(t.Context(), record, refs)
					if err != nil {
						return err
					}
					got += map[bool]string{true: "1", false: "0"}[chosen]
				}
				return nil
			})
			if got != tt.chosen || !errors.Is(err, tt.class) {
				t.Errorf("got %q, error %v, want %q and %v", got, err, tt.chosen, tt.class)
			}
		})
	}
}

// Nil filters choose every image, and an error of the stores has a class (E1).
func TestSelectWithoutFilters(t *testing.T) {
	app := storetest.Spec{Name: "app"}.Image()
	o := backends.Memory().Open(t, storetest.State{Images: []storetest.Image{app}})
	service := jettison.New(o.Backend, nil)
	err := o.Backend.View(t.Context(), func(stores jettison.Stores) error {
		selection, err := service.Select(t.Context(), stores, nil)
		if err != nil {
			return err
		}
		img, err := stores.Images.Get(t.Context(), app.ID())
		if err != nil {
			return err
		}
		if chosen, err := selection.Chooses(t.Context(), img, nil); !chosen || err != nil {
			t.Errorf("got %t and error %v, want the image", chosen, err)
		}
		dangling, err := filter.New(filter.Args{filter.Dangling: {"true"}}, time.Time{})
		if err != nil {
			return err
		}
		if selection, err = service.Select(t.Context(), failingChildren(stores), dangling); err != nil {
			return err
		}
		_, err = selection.Chooses(t.Context(), img, nil)
		wantClass(t, "children that cannot be read", err, "Internal")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// failingChildren are stores in which the children of an image cannot be read.
func failingChildren(stores jettison.Stores) jettison.Stores {
	stores.Images.ImageStore = childless{stores.Images}
	return stores
}

type childless struct{ jettison.ImageStore }

func (childless) Children(context.Context, digest.Digest) ([]digest.Digest, error) {
	return nil, errDisk
}
