package containerd

import (
	"encoding/json"

	"github.com/containerd/containerd/v2/core/containers"
)

// kubernetesExtension is where Kubernetes' runtime notes what a container was made
// of.
const kubernetesExtension = "io.cri-containerd.container.metadata"

// A kubernetes is the part of that note that tells of images.
type kubernetes struct {
	Metadata struct {
		// ImageDigest is the target that the image had, and ImageRef the digest of its
		// configuration.
		ImageDigest, ImageRef string
		Config                struct {
			// Mounts are its volumes, images among them.
			Mounts []struct {
				Image struct {
					Image string `json:"image"`
				} `json:"image"`
			} `json:"mounts"`
		}
	}
}

// kubernetesOf reads the note. One that is missing or malformed tells nothing.
func kubernetesOf(c containers.Container) kubernetes {
	var note kubernetes
	extension, ok := c.Extensions[kubernetesExtension]
	if !ok || extension == nil || json.Unmarshal(extension.GetValue(), &note) != nil {
		return kubernetes{}
	}
	return note
}
