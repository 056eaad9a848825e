package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
)

// An Image is an image that a fresh store shall hold: real JSON and real
// bytes, so that a store can create it as it creates any other.
type Image struct {
	// Config is the image configuration, as the OCI image specification
	// defines it (config.md).
	Config []byte
	// Parent is the ID of the image it was built from, or empty.
	Parent digest.Digest
	// Layers is the content of each layer, base to top, one for each diff ID
	// of the configuration. It is made up and not a tar archive. A store that
	// keeps no content ignores it.
	Layers [][]byte
	// Manifest is the manifest of an artifact, which has no configuration and no
	// layers, or of an image whose manifest others are about or that an index
	// lists; nil for any other.
	Manifest []byte
	// Index is the document of an index, which has no configuration, and Images
	// are what it lists, in its order: images with a manifest, and indexes.
	Index  []byte
	Images []Image
}

// A Spec says how to make up an [Image]. Equal specs make equal images.
type Spec struct {
	// Name makes the image different from others with equal fields.
	Name string
	// Layers name the layers, base to top. Images whose lists begin with the
	// same names share those layers. The content of a layer is made from its
	// name.
	Layers []string
	// LayerSize is the number of bytes of each layer's content, at least 1;
	// the default is 100.
	LayerSize int
	// Parent is the ID of the image it was built from, or empty.
	Parent digest.Digest
	// Created is the time in the configuration; zero leaves it out.
	Created time.Time
	// Platform is in the configuration; the default is linux/amd64.
	Platform ocispec.Platform
	// Labels are in the configuration.
	Labels map[string]string
}

// Image makes the image up.
func (s Spec) Image() Image {
	config := ocispec.Image{
		Platform: s.platform(),
		Config:   ocispec.ImageConfig{Labels: s.Labels},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}},
		Author:   s.Name,
	}
	if !s.Created.IsZero() {
		created := s.Created.UTC()
		config.Created = &created
	}
	img := Image{Parent: s.Parent}
	for _, name := range s.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, DiffID(name))
		config.History = append(config.History, ocispec.History{CreatedBy: "layer " + name})
		img.Layers = append(img.Layers, layerContent(name, s.LayerSize))
	}
	img.Config = encode(config)
	return img
}

// platform is that of the configuration.
func (s Spec) platform() ocispec.Platform {
	if s.Platform.OS == "" {
		return ocispec.Platform{OS: "linux", Architecture: "amd64"}
	}
	return s.Platform
}

// DiffID returns the diff ID that a [Spec] gives to a layer of this name. It
// differs from the digest of the content, as that of a compressed layer does.
func DiffID(layer string) digest.Digest { return digest.FromString("diff of " + layer) }

// ChainID returns the chain ID of the topmost of the layers named, base to top;
// it is empty for none.
func ChainID(layers ...string) digest.Digest {
	var chain digest.Digest
	for _, name := range layers {
		chain = chainOf(chain, DiffID(name))
	}
	return chain
}

// chainOf is the chain ID of a layer above another (OCI image specification,
// config.md, "Layer ChainID").
func chainOf(below, diffID digest.Digest) digest.Digest {
	if below == "" {
		return diffID
	}
	return digest.FromString(below.String() + " " + diffID.String())
}

func layerContent(name string, size int) []byte {
	if size <= 0 {
		size = 100
	}
	text := []byte("layer " + name + "\n")
	return bytes.Repeat(text, size/len(text)+1)[:size]
}

// encode panics on what cannot happen: the configuration has only fields that
// JSON can express.
func encode(config ocispec.Image) []byte {
	data, err := json.Marshal(config)
	if err != nil {
		panic(fmt.Sprintf("storetest: encode image configuration: %v", err))
	}
	return data
}

// ID returns the image's ID: the SHA-256 of its configuration, or of what it has
// in its place.
func (img Image) ID() digest.Digest {
	switch {
	case img.Index != nil:
		return digest.FromBytes(img.Index)
	case img.Config == nil:
		return digest.FromBytes(img.Manifest)
	default:
		return digest.FromBytes(img.Config)
	}
}

// ConfigDescriptor describes the configuration, which is the image's own
// content.
func (img Image) ConfigDescriptor() ocispec.Descriptor {
	return describe(ocispec.MediaTypeImageConfig, img.Config)
}

// LayerDescriptors describe the content of the layers, base to top.
func (img Image) LayerDescriptors() []ocispec.Descriptor {
	var found []ocispec.Descriptor
	for _, data := range img.Layers {
		found = append(found, describe(ocispec.MediaTypeImageLayerGzip, data))
	}
	return found
}

func describe(mediaType string, data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// Record returns the record that a store must have of the image when nothing
// else is in it, and those of its layers, base to top. Content is what a store
// has that keeps content; where it occurs, and in every layer, Holders is 1.
// The image's Size counts equal content once.
func (img Image) Record() (imagestore.Image, []imagestore.Layer, error) {
	var config ocispec.Image
	if err := json.Unmarshal(img.Config, &config); err != nil {
		return imagestore.Image{}, nil, fmt.Errorf("image configuration: %w", err)
	}
	layers := make([]imagestore.Layer, 0, len(config.RootFS.DiffIDs))
	record := imagestore.Image{
		ID:       img.ID(),
		Parent:   img.Parent,
		Platform: config.Platform,
		Labels:   config.Config.Labels,
		Content:  []imagestore.Content{content(img.Config)},
	}
	if config.Created != nil {
		record.Created = *config.Created
	}
	for i, diffID := range config.RootFS.DiffIDs {
		layer := imagestore.Layer{ChainID: chainOf(record.Layer, diffID), DiffID: diffID, Parent: record.Layer, Holders: 1}
		if i < len(img.Layers) {
			layer.Content = []imagestore.Content{content(img.Layers[i])}
		}
		layers = append(layers, layer)
		record.Layer = layer.ChainID
	}
	record.Size = img.size()
	return record, layers, nil
}

// size is the number of bytes of all content, equal pieces counted once.
func (img Image) size() int64 {
	n := int64(len(img.Config))
	seen := make(map[digest.Digest]bool)
	for _, data := range img.Layers {
		if d := digest.FromBytes(data); !seen[d] {
			seen[d] = true
			n += int64(len(data))
		}
	}
	return n
}

func content(data []byte) imagestore.Content {
	return imagestore.Content{Digest: digest.FromBytes(data), Size: int64(len(data)), Holders: 1}
}
