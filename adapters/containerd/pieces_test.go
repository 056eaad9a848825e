package containerd_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
)

// A brief is a store of names whose answers have room for so many.
type brief struct {
	images.Store
	room int
}

func (b brief) List(ctx context.Context, filters ...string) ([]images.Image, error) {
	found, err := b.Store.List(ctx, filters...)
	if len(found) > b.room {
		return nil, fmt.Errorf("message larger than max: %w", errdefs.ErrResourceExhausted)
	}
	return found, err
}

// Names that do not fit into one answer are asked for in pieces: all are found,
// each once, whatever algorithm their targets are of. Where one piece does not fit
// however small it is, the error is the daemon's.
func TestNamesInPieces(t *testing.T) {
	l := newLab(t, nil)
	whole := l.Services.Images
	const n = 60
	for i := range n {
		algorithm := digest.SHA256
		if i%7 == 0 {
			algorithm = digest.SHA512
		}
		target := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: algorithm.FromString(fmt.Sprint(i)), Size: 1}
		_, err := whole.Create(l.engine.In(t.Context()), images.Image{Name: fmt.Sprintf("docker.io/library/app:%d", i), Target: target})
		must(t, err)
	}
	for _, room := range []int{n, n - 1, 3} {
		l.Services.Images = brief{whole, room}
		l.open(t, nil)
		plan, err := l.service.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
		must(t, err)
		if len(plan.Removals) != n {
			t.Errorf("room for %d: %d images, want %d", room, len(plan.Removals), n)
		}
	}
	l.Services.Images = brief{whole, 0}
	l.open(t, nil)
	_, err := l.service.PlanPrune(t.Context(), jettison.PruneOptions{All: true})
	wantRefusal(t, err, jettison.ErrUnavailable, "message larger than max")
}
