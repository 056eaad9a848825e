package jettison_test

import (
	"context"
	"fmt"
	"log"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// logged is a backend that logs which images go.
type logged struct{ jettison.Backend }

// View and Update show the same, so that a dry run says what a run will do.
func (b logged) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, logging(fn))
}

func (b logged) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, logging(fn))
}

func logging(fn func(jettison.Stores) error) func(jettison.Stores) error {
	return func(stores jettison.Stores) error {
		stores.Images = jettison.Images{
			ImageStore: loggedImages{stores.Images},
			Referrers:  stores.Images.Referrers,
			Collector:  stores.Images.Collector,
		}
		return fn(stores)
	}
}

type loggedImages struct{ jettison.ImageStore }

func (s loggedImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	removed, err := s.ImageStore.Delete(ctx, id)
	fmt.Println("deleted", id.Encoded()[:12], err)
	return removed, err
}

// A backend that wraps another one names what it hands on. Here neither Platforms
// nor Named are among it, so that every deletion is logged.
func ExampleImages() {
	ctx := context.Background()
	service := jettison.New(logged{exampleStore(ctx)}, nil)
	if _, err := service.ImageDelete(ctx, "app:1.0", jettison.RemoveOptions{}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// deleted 0cd425b88e8a <nil>
}
