package transfer

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/platform"
)

// maxNesting is how deep indexes may lie in each other.
const maxNesting = imagestore.MaxNesting

// A walk is where the reading of an index within indexes has come to.
type walk struct {
	by    string // the document that names what comes next
	depth int
	seen  map[digest.Digest]bool
}

// choose returns the descriptor of the one image that is taken from an index,
// nil when the index has no image.
func (l *loader) choose(ctx context.Context, desc ocispec.Descriptor) (*ocispec.Descriptor, error) {
	all, err := l.flatten(ctx, desc, walk{by: ocispec.ImageIndexFile, seen: make(map[digest.Digest]bool)})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	want := l.opts.Platform
	best := best(want, all)
	if best == nil {
		return nil, l.wrap(blobName(desc.Digest), fmt.Errorf("has no image for %s, only for %s", platform.Format(want), listPlatforms(all)))
	}
	for _, other := range all {
		if other.Digest != best.Digest {
			l.skip(other.Digest, platform.Format(*other.Platform), "of an index, one platform is loaded: "+platform.Format(*best.Platform))
		}
	}
	return best, nil
}

// flatten returns the descriptors of the images in an index and in the indexes
// in it, in order, each once and with its platform. What is no image is skipped.
func (l *loader) flatten(ctx context.Context, desc ocispec.Descriptor, at walk) ([]ocispec.Descriptor, error) {
	if at.seen[desc.Digest] {
		return nil, nil
	}
	at.seen[desc.Digest] = true
	if kind := types.MediaType(desc.MediaType); !kind.IsIndex() {
		return l.withPlatform(ctx, desc)
	}
	if at.depth++; at.depth > maxNesting {
		return nil, l.wrap(at.by, fmt.Errorf("more than %d indexes lie in each other", maxNesting))
	}
	entry := blobName(desc.Digest)
	data, err := l.readBlob(ctx, desc, maxManifest, at.by)
	if err != nil {
		return nil, err
	}
	index, err := l.decodeIndex(entry, data, desc.MediaType)
	if err != nil {
		return nil, err
	}
	at.by = entry
	var all []ocispec.Descriptor
	for _, inner := range index.Manifests {
		some, err := l.flatten(ctx, inner, at)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// withPlatform returns a descriptor with the platform of its image, or none
// when it is not for an image. Images that tell their platform need not be in
// the archive unless they are chosen.
func (l *loader) withPlatform(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	switch {
	case !types.MediaType(desc.MediaType).IsImage():
		l.skip(desc.Digest, "", fmt.Sprintf("media type %q is neither an image nor an index", desc.MediaType))
		return nil, nil
	case isAttestation(desc):
		l.skip(desc.Digest, "", "attestation, no image")
		return nil, nil
	case desc.Platform != nil:
		return []ocispec.Descriptor{desc}, nil
	}
	manifest, _, err := l.readManifest(ctx, desc)
	if err != nil {
		return nil, err
	}
	if reason := notImage(manifest); reason != "" {
		l.skip(desc.Digest, "", reason)
		return nil, nil
	}
	data, err := l.readBlob(ctx, manifest.Config, maxConfig, blobName(desc.Digest))
	if err != nil {
		return nil, err
	}
	desc.Platform = new(ocispec.Platform)
	return []ocispec.Descriptor{desc}, l.decode(blobName(manifest.Config.Digest), aConfig, data, desc.Platform)
}

// best returns the descriptor that serves want best: one of the very
// architecture before one that merely runs on it, then that of the highest
// variant, then the first. It is nil when none serves.
func best(want ocispec.Platform, all []ocispec.Descriptor) *ocispec.Descriptor {
	fit := slices.DeleteFunc(slices.Clone(all), func(desc ocispec.Descriptor) bool {
		return !jettison.MatchPlatform(want, *desc.Platform)
	})
	if len(fit) == 0 {
		return nil
	}
	slices.SortStableFunc(fit, func(a, b ocispec.Descriptor) int {
		return cmp.Or(
			cmp.Compare(distance(want, *a.Platform), distance(want, *b.Platform)),
			strings.Compare(b.Platform.Variant, a.Platform.Variant))
	})
	return &fit[0]
}

func distance(want, have ocispec.Platform) int {
	if want.Architecture == have.Architecture {
		return 0
	}
	return 1
}

// hostPlatform is what images for this machine are made for. Elsewhere than on
// Windows they run on a Linux kernel.
func hostPlatform() ocispec.Platform {
	host := ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if runtime.GOOS == "windows" {
		host.OS = runtime.GOOS
	}
	return host
}

func zeroPlatform(p ocispec.Platform) bool { return p.OS == "" && p.Architecture == "" }

func listPlatforms(all []ocispec.Descriptor) string {
	names := make([]string, len(all))
	for i, desc := range all {
		names[i] = platform.Format(*desc.Platform)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}
