package main

import (
	"context"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
)

// An imageFilter chooses images for the list, by the rules that prune chooses
// by. Of an image that it chooses by reference it shows the references that fit.
type imageFilter struct {
	*filter.Filter
	// before and since bound the time of creation; zero bounds nothing.
	before, since time.Time
}

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

// newImageFilter finds the images that the filters name; nil stays nil.
func newImageFilter(ctx context.Context, store *opened, f *filter.Filter) (*imageFilter, error) {
	if f == nil {
		return nil, nil
	}
	bounded := &imageFilter{Filter: f}
	var err error
	if bounded.before, err = createdOf(ctx, store, filter.Before, f.Before()); err != nil {
		return nil, err
	}
	bounded.since, err = createdOf(ctx, store, filter.Since, f.Since())
	return bounded, err
}

// createdOf is when the image was created that a filter names; zero when it
// names none.
func createdOf(ctx context.Context, store *opened, key, name string) (time.Time, error) {
	if name == "" {
		return time.Time{}, nil
	}
	found, err := store.service.Resolve(ctx, name)
	if err != nil {
		return time.Time{}, errors.WithMessagef(err, "filter '%s=%s'", key, name)
	}
	if found.Image.Created.IsZero() {
		return time.Time{}, errors.Errorf("filter '%s=%s': the image does not say when it was created", key, name)
	}
	return found.Image.Created, nil
}

// choose returns the references under which the image is to be listed, and
// whether it is to be listed at all.
func (f *imageFilter) choose(ctx context.Context, stores jettison.Stores, img imagestore.Image, refs []reference.Named) ([]reference.Named, bool, error) {
	if f == nil {
		return refs, true, nil
	}
	if ok, _ := f.Match(img, refs); !ok || !f.inBounds(img) {
		return nil, false, nil
	}
	if want, given := f.Dangling(); given {
		dangling, err := isDangling(ctx, stores, img, refs)
		if err != nil || dangling != want {
			return nil, false, err
		}
	}
	if want, given := f.Orphaned(); given {
		orphaned, err := isOrphaned(ctx, stores, img, refs)
		if err != nil || orphaned != want {
			return nil, false, err
		}
	}
	if len(refs) == 0 {
		return nil, true, nil
	}
	fitting := slices.DeleteFunc(slices.Clone(refs), func(ref reference.Named) bool {
		return !f.MatchReferences([]reference.Named{ref})
	})
	return fitting, true, nil
}

func (f *imageFilter) inBounds(img imagestore.Image) bool {
	return (f.before.IsZero() || img.Created.Before(f.before)) && (f.since.IsZero() || img.Created.After(f.since))
}

// isDangling reports whether the image has neither tags of its own nor children
// nor anything that it is about.
func isDangling(ctx context.Context, stores jettison.Stores, img imagestore.Image, refs []reference.Named) (bool, error) {
	tagged := slices.ContainsFunc(refs, func(ref reference.Named) bool {
		_, ok := ref.(reference.Tagged)
		_, about := refstore.SubjectOf(ref)
		return ok && !about
	})
	if tagged {
		return false, nil
	}
	subjects, err := subjectsOf(ctx, stores, img.ID)
	if err != nil || len(subjects) > 0 {
		return false, err
	}
	children, err := stores.Images.Children(ctx, img.ID)
	return len(children) == 0, err
}

// isOrphaned reports whether what the image is about is missing: it leads to no
// image that is about nothing that is there (rule S4).
func isOrphaned(ctx context.Context, stores jettison.Stores, img imagestore.Image, refs []reference.Named) (bool, error) {
	byTag := slices.ContainsFunc(refs, func(ref reference.Named) bool {
		_, about := refstore.SubjectOf(ref)
		return about
	})
	if img.Subject == "" && !byTag {
		return false, nil
	}
	seen := map[digest.Digest]bool{img.ID: true}
	subjects, err := subjectsOf(ctx, stores, img.ID)
	for i := 0; i < len(subjects) && err == nil; i++ {
		if seen[subjects[i]] {
			continue
		}
		seen[subjects[i]] = true
		var more []digest.Digest
		if more, err = subjectsOf(ctx, stores, subjects[i]); len(more) == 0 && err == nil {
			return false, nil
		}
		subjects = append(subjects, more...)
	}
	return true, err
}

// subjectsOf are the images that the image is about, as far as the store knows.
func subjectsOf(ctx context.Context, stores jettison.Stores, id digest.Digest) ([]digest.Digest, error) {
	if store, ok := stores.Images.(jettison.ReferrerStore); ok {
		return store.Subjects(ctx, id)
	}
	return nil, nil
}

// referrersOf are the images about the image, as far as the store knows.
func referrersOf(ctx context.Context, stores jettison.Stores, id digest.Digest) ([]digest.Digest, error) {
	if store, ok := stores.Images.(jettison.ReferrerStore); ok {
		return store.Referrers(ctx, id)
	}
	return nil, nil
}
