package imagestore

import (
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// An Image is the record of an image: what deletion, pruning and listing need
// to know of it.
type Image struct {
	// ID names the image. For an image of one platform it is the digest of its
	// configuration, as in Docker and Podman, or that of its manifest where the
	// store names images so, as an OCI image layout does. For an index it is the
	// digest of the index.
	ID digest.Digest
	// Parent is the ID of the image this one was built from, or empty. The
	// parent may have been removed since.
	Parent digest.Digest
	// Created is the time in the image's configuration; zero when it has none. Of
	// an index, and of what has no configuration, it is that of the annotation;
	// an index without it was made when the newest of its images was.
	Created time.Time
	// LastUsed is when the image was last loaded, pulled, tagged, or used for a
	// container, as far as the store was told; zero when it was not.
	LastUsed time.Time
	// Platform is what the image runs on, as its configuration says.
	Platform ocispec.Platform
	// Labels are those of the configuration; nil when it has none. Those of an
	// index are the ones that all its images have, with the same value.
	Labels map[string]string
	// Layer is the chain ID of the topmost layer, or empty for an image
	// without layers. An index has none of its own: its manifests have.
	Layer digest.Digest
	// Manifests are the images that an index holds, in its order, those of
	// nested indexes in the place of the index that lists them; nil for an image
	// of one platform. They are no images of their own: none has an ID in the
	// store because of the index (rule M1).
	Manifests []Manifest
	// Indexes are the digests of the indexes that lie in an index, by which others
	// may be about it as by those of its manifests, sorted; nil when there are
	// none.
	Indexes []digest.Digest
	// Manifest is the digest of the image's own manifest, by which others may be
	// about it; empty where the store does not know it, and where it is the ID.
	Manifest digest.Digest
	// Subject is the digest of the manifest or index that the image is about, as
	// a signature or an SBOM is (OCI image specification, manifest.md,
	// "subject"); empty for any other image.
	Subject digest.Digest
	// Size is the number of bytes of all its layers and of its own content.
	Size int64
	// Content is what the image keeps besides its layers, such as its
	// configuration and its manifest; nil where the store keeps no content.
	Content []Content
}

// Digests returns the digests by which others can be about the image (rule S1):
// its ID, its manifest, and the manifests and indexes that it holds.
func (img Image) Digests() []digest.Digest {
	all := []digest.Digest{img.ID}
	if img.Manifest != "" {
		all = append(all, img.Manifest)
	}
	for _, m := range img.Manifests {
		all = append(all, m.Digest)
	}
	return append(all, img.Indexes...)
}

// Chains returns the chain IDs of the topmost layers that the image holds, each
// once: its own, or those of the manifests of an index, in their order.
func (img Image) Chains() []digest.Digest {
	var chains []digest.Digest
	if img.Layer != "" {
		chains = append(chains, img.Layer)
	}
	for _, m := range img.Manifests {
		if m.Layer != "" && !slices.Contains(chains, m.Layer) {
			chains = append(chains, m.Layer)
		}
	}
	return chains
}

// A Manifest is one image of an index.
type Manifest struct {
	// Digest is that of the manifest.
	Digest digest.Digest
	// Platform is what the index says that the image runs on, or else its
	// configuration.
	Platform ocispec.Platform
	// Layer is the chain ID of the topmost layer, or empty: without layers, for
	// an artifact, or where the index lists a manifest that the store lacks.
	Layer digest.Digest
	// Content is what the index keeps for this manifest alone besides its layers:
	// the manifest and its configuration, and what it names of layers that the
	// store has in another form. It is part of the content of the image too; nil
	// where the store keeps no content or lacks the manifest.
	Content []Content
	// Subject is the digest of the manifest of the same index that this one is
	// about, as a builder's attestation is (annotation
	// "vnd.docker.reference.digest"), and with which it goes (rule M2); empty for
	// any other.
	Subject digest.Digest
}

// A Layer is a file system change on top of a chain of others, counted by how
// many things hold it (rule D12).
type Layer struct {
	// ChainID names the layer together with all below it, as the OCI image
	// specification defines it (config.md, "Layer ChainID").
	ChainID digest.Digest
	// DiffID is the digest of the layer's own uncompressed tar archive.
	DiffID digest.Digest
	// Parent is the chain ID of the layer below, or empty for a base layer.
	Parent digest.Digest
	// Holders counts what keeps the layer: the images whose topmost layer it
	// is, the layers directly above it, and whatever else the store counts,
	// such as a container's writable layer. At zero the layer goes.
	Holders int
	// Content is what the layer occupies; nil where the store keeps no content.
	Content []Content
}

// Content is a piece of stored data, counted by how many images and layers
// hold it. The same compressed archive can serve several layers.
type Content struct {
	// Digest names the data. A store that does not address its data by digest
	// uses the chain ID of the layer or the ID of the image.
	Digest digest.Digest
	// Size is the number of bytes that removing the data frees.
	Size int64
	// Holders counts the images and layers that keep the data. At zero it goes.
	Holders int
}

// Removed is what goes when an image is deleted.
type Removed struct {
	// Layers are those that nothing else holds, top to base.
	Layers []Layer
	// Content is the data of the image and of those layers that nothing else
	// holds, each piece once: first the image's own, then the layers' from top
	// to base.
	Content []Content
}

// Size is the number of bytes of the removed content.
func (r Removed) Size() int64 {
	var n int64
	for _, c := range r.Content {
		n += c.Size
	}
	return n
}

// UnreadableError says that the record of an image, a layer or content is there
// but cannot be understood: it is damaged, was written by something else, or
// names a record that is missing or unreadable itself. Its class is Internal
// (rule E3). An image so damaged can still be deleted, by its full ID (rule
// R5).
type UnreadableError struct {
	// ID is the image's ID, the layer's chain ID or the content's digest.
	ID digest.Digest
	// Err says which key or file it is and what is wrong with it. It is not
	// unwrapped: the class of the whole is Internal, whatever that of Err is.
	Err error
}

// Error names the record, what is wrong with it and what can be done.
func (e *UnreadableError) Error() string {
	return "unreadable record of " + e.ID.String() + ": " + e.Err.Error()
}

// System marks the error as of class Internal.
func (e *UnreadableError) System() {}

// Is makes the error match the sentinel of its class.
func (e *UnreadableError) Is(target error) bool { return target == class.Internal }
