package main

import (
	"context"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// filter reads the filters that the flags give; nil when there are none.
func (f imagesFlags) filter() (*filter.Filter, error) {
	if len(f.filters) == 0 {
		return nil, nil
	}
	args, err := filter.Parse(f.filters...)
	if err != nil {
		return nil, err
	}
	return filter.New(args, time.Now())
}

// selection is the images that the filters choose; nil for no filters.
func (o *opened) selection(ctx context.Context, stores jettison.Stores, f *filter.Filter) (*jettison.Selection, error) {
	if f == nil {
		return nil, nil
	}
	return o.service.Select(ctx, stores, f)
}

// choose returns the references under which the image is to be listed, and
// whether it is to be listed at all. Of an image that is chosen by reference it is
// to be listed under those that fit; a nil selection takes all images.
func choose(ctx context.Context, chosen *jettison.Selection, f *filter.Filter, img imagestore.Image, refs []reference.Named) ([]reference.Named, bool, error) {
	if chosen == nil {
		return refs, true, nil
	}
	ok, err := chosen.Chooses(ctx, img, refs)
	if err != nil || !ok || len(refs) == 0 {
		return nil, ok, err
	}
	fitting := slices.DeleteFunc(slices.Clone(refs), func(ref reference.Named) bool {
		return !f.MatchReferences([]reference.Named{ref})
	})
	return fitting, true, nil
}

// subjectsOf are the images that the image is about, as far as the store knows.
func subjectsOf(ctx context.Context, stores jettison.Stores, id digest.Digest) ([]digest.Digest, error) {
	if store := stores.Images.Referrers; store != nil {
		return store.Subjects(ctx, id)
	}
	return nil, nil
}

// referrersOf are the images about the image, as far as the store knows.
func referrersOf(ctx context.Context, stores jettison.Stores, id digest.Digest) ([]digest.Digest, error) {
	if store := stores.Images.Referrers; store != nil {
		return store.Referrers(ctx, id)
	}
	return nil, nil
}
