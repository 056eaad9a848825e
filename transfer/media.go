package transfer

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types that go-containerregistry has no name for.
const (
	dockerZstdLayer          types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"
	dockerForeignTar         types.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	restrictedZstdLayer      types.MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
	attestationAnnotation                    = "vnd.docker.reference.type"
	containerdNameAnnotation                 = "io.containerd.image.name"
)

// isLayer reports whether this is the media type of a layer that can be loaded.
func isLayer(mediaType string) bool {
	switch kind := types.MediaType(mediaType); kind {
	case dockerZstdLayer, dockerForeignTar, restrictedZstdLayer:
		return true
	default:
		return kind.IsLayer()
	}
}

// isForeign reports whether the content of such a layer may be left out of an
// archive.
func isForeign(mediaType string) bool {
	switch kind := types.MediaType(mediaType); kind {
	case dockerForeignTar, restrictedZstdLayer:
		return true
	default:
		return !kind.IsDistributable()
	}
}

// likeLayer reports whether this is the media type of some layer of an image,
// perhaps of one that is not supported.
func likeLayer(mediaType string) bool {
	return isLayer(mediaType) ||
		strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.")
}

// notImage says why a manifest is not that of an image; it is empty for one
// that is. Signatures, attestations and the like differ from images in their
// configuration, in what they are about, or, the older ones, in their layers
// alone.
func notImage(manifest ocispec.Manifest) string {
	if kind := manifest.Config.MediaType; !types.MediaType(kind).IsConfig() {
		if manifest.ArtifactType != "" {
			kind = manifest.ArtifactType
		}
		return fmt.Sprintf("artifact of type %q, no image", kind)
	}
	if manifest.Subject != nil {
		return fmt.Sprintf("artifact about %s, no image", manifest.Subject.Digest)
	}
	for _, layer := range manifest.Layers {
		if likeLayer(layer.MediaType) {
			return ""
		}
	}
	if len(manifest.Layers) > 0 {
		return fmt.Sprintf("artifact with content of type %q, no image", manifest.Layers[0].MediaType)
	}
	return ""
}

// isAttestation reports whether a descriptor in an index is for what a builder
// says about an image, written in the form of an image.
func isAttestation(desc ocispec.Descriptor) bool {
	p := desc.Platform
	return desc.Annotations[attestationAnnotation] != "" || p != nil && p.OS == "unknown" && p.Architecture == "unknown"
}
