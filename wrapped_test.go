package jettison_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// A wrapped backend shows its stores as wrap makes them.
type wrapped struct {
	jettison.Backend
	wrap func(jettison.Stores) jettison.Stores
}

func (b wrapped) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error { return fn(b.wrap(stores)) })
}

func (b wrapped) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, func(stores jettison.Stores) error { return fn(b.wrap(stores)) })
}

// watched notes which images are deleted through it.
type watched struct {
	jettison.ImageStore
	seen *[]string
}

func (w watched) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	*w.seen = append(*w.seen, id.String())
	return w.ImageStore.Delete(ctx, id)
}

// A wrapper that names no ability sees every deletion, whatever the wrapped store
// can do, and what it does not name is refused.
func TestWrapperSeesEachDeletion(t *testing.T) {
	app := storetest.Spec{Name: "app"}.Image()
	amd64, arm64 := ocispec.Platform{OS: "linux", Architecture: "amd64"}, ocispec.Platform{OS: "linux", Architecture: "arm64"}
	index := storetest.IndexSpec{Name: "multi", Images: []storetest.Spec{{Name: "amd64", Platform: amd64}, {Name: "arm64", Platform: arm64}}}.Image()
	for _, b := range append(backends.All(), backends.Able()) {
		t.Run(b.Name, func(t *testing.T) {
			state := storetest.State{Images: []storetest.Image{app}, References: []storetest.Reference{{Name: "app:1", Image: app.ID()}, {Name: "app:2", Image: app.ID()}}}
			if b.Platforms {
				state.Images = append(state.Images, index)
				state.References = append(state.References, storetest.Reference{Name: "multi:1", Image: index.ID()})
			}
			var seen []string
			service := jettison.New(wrapped{b.Open(t, b.Fit(state)).Backend, func(stores jettison.Stores) jettison.Stores {
				stores.Images = jettison.Images{ImageStore: watched{stores.Images, &seen}}
				return stores
			}}, nil)
			ids := []string{app.ID().String()}
			if b.Platforms {
				_, err := service.ImageDelete(t.Context(), "multi:1", jettison.RemoveOptions{Force: true, Platforms: []ocispec.Platform{arm64}})
				wantClass(t, "a platform", err, "InvalidArgument")
				ids = append(ids, index.ID().String())
			}
			for _, id := range ids {
				if _, err := service.ImageDelete(t.Context(), id, jettison.RemoveOptions{Force: true}); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(ids, seen); diff != "" {
				t.Errorf("deletions (-done +seen):\n%s", diff)
			}
		})
	}
}
