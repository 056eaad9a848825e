package storetest

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An IndexSpec says how to make up an index. Equal specs make equal indexes.
type IndexSpec struct {
	// Name makes the index different from others with equal fields.
	Name string
	// Images are those that it lists.
	Images []Spec
	// Attested has the places of images that an attestation in the index is
	// about; the attestations come last.
	Attested []int
}

// Image makes the index up. Its annotations have the name, and a field that no
// specification knows, which must survive (rule M2).
func (s IndexSpec) Image() Image {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Annotations: map[string]string{"name": s.Name}}
	index.SchemaVersion = 2
	var made Image
	for _, spec := range s.Images {
		img := spec.listed()
		desc := describe(ocispec.MediaTypeImageManifest, img.Manifest)
		platform := spec.platform()
		desc.Platform = &platform
		index.Manifests = append(index.Manifests, desc)
		made.Images = append(made.Images, img)
	}
	for _, i := range s.Attested {
		about := index.Manifests[i].Digest
		img := Spec{Name: "attestation of " + about.String(), Platform: ocispec.Platform{OS: "unknown", Architecture: "unknown"}}.listed()
		desc := describe(ocispec.MediaTypeImageManifest, img.Manifest)
		desc.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
		desc.Annotations = map[string]string{"vnd.docker.reference.digest": about.String(), "vnd.docker.reference.type": "attestation-manifest"}
		index.Manifests = append(index.Manifests, desc)
		made.Images = append(made.Images, img)
	}
	made.Index = append([]byte(`{"x-unknown": [1, 2],`), marshal(index)[1:]...)
	return made
}

// listed makes an image with a manifest.
func (s Spec) listed() Image {
	img := s.Image()
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: img.ConfigDescriptor(), Layers: img.LayerDescriptors()}
	manifest.SchemaVersion = 2
	img.Manifest = marshal(manifest)
	return img
}

// ManifestDigest returns the digest of the manifest of an image in an index.
func (img Image) ManifestDigest() digest.Digest { return digest.FromBytes(img.Manifest) }

// OwnDescriptors describe what the image keeps besides its layers.
func (img Image) OwnDescriptors() []ocispec.Descriptor {
	var found []ocispec.Descriptor
	if img.Config != nil {
		found = append(found, img.ConfigDescriptor())
	}
	if img.Manifest != nil {
		found = append(found, describe(ocispec.MediaTypeImageManifest, img.Manifest))
	}
	return found
}

// An ArtifactSpec says how to make up an image that is about another, as a
// signature is.
type ArtifactSpec struct {
	// Name makes it different from others with equal fields.
	Name string
	// Subject is the digest of what it is about, or empty.
	Subject digest.Digest
}

// Image makes the artifact up.
func (s ArtifactSpec) Image() Image {
	manifest := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/x-storetest",
		Config: ocispec.DescriptorEmptyJSON, Annotations: map[string]string{"name": s.Name},
	}
	manifest.SchemaVersion = 2
	if s.Subject != "" {
		manifest.Subject = &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: s.Subject, Size: 1}
	}
	return Image{Manifest: marshal(manifest)}
}

// marshal panics on what cannot happen: the documents have only fields that JSON
// can express.
func marshal(document any) []byte {
	data, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("storetest: encode a document: %v", err))
	}
	return data
}
