package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An IndexSpec says how to make up an index. Equal specs make equal indexes, and
// taking an image out of one makes the index of the spec without it.
type IndexSpec struct {
	// Name makes the index different from others with equal fields.
	Name string
	// Created is the time in its annotations; zero leaves it out.
	Created time.Time
	// Images are those that it lists.
	Images []Spec
	// Attested has the places of images that an attestation in the index is
	// about.
	Attested []int
	// Indexes lie in the index; they come last.
	Indexes []IndexSpec
}

// Image makes the index up. Its annotations have the name; a field that no
// specification knows and its white space must survive (rule M2).
func (s IndexSpec) Image() Image {
	var made Image
	var entries []string
	add := func(img Image, desc ocispec.Descriptor) {
		made.Images = append(made.Images, img)
		entries = append(entries, string(marshal(desc)))
	}
	for _, spec := range s.Images {
		img := spec.listed()
		desc := describe(ocispec.MediaTypeImageManifest, img.Manifest)
		platform := spec.platform()
		desc.Platform = &platform
		add(img, desc)
	}
	for _, i := range s.Attested {
		add(attestation(made.Images[i].ManifestDigest()))
	}
	for _, nested := range s.Indexes {
		img := nested.Image()
		add(img, describe(ocispec.MediaTypeImageIndex, img.Index))
	}
	annotations := map[string]string{"name": s.Name}
	if !s.Created.IsZero() {
		annotations[ocispec.AnnotationCreated] = s.Created.UTC().Format(time.RFC3339)
	}
	made.Index = fmt.Appendf(nil, "{\"x-unknown\": [1, 2],\n\"schemaVersion\":2, \"mediaType\":%q,\n\"manifests\":[\n  %s\n],\"annotations\": %s}",
		ocispec.MediaTypeImageIndex, strings.Join(entries, ",\n  "), marshal(annotations))
	return made
}

// attestation is one about a manifest of the same index, as BuildKit makes it.
func attestation(about digest.Digest) (Image, ocispec.Descriptor) {
	nowhere := ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	img := Spec{Name: "attestation of " + about.String(), Platform: nowhere}.listed()
	desc := describe(ocispec.MediaTypeImageManifest, img.Manifest)
	desc.Platform = &nowhere
	desc.Annotations = map[string]string{"vnd.docker.reference.digest": about.String(), "vnd.docker.reference.type": "attestation-manifest"}
	return img, desc
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
