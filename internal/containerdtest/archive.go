package containerdtest

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is one for an archive. Images of the same fields are the same image.
type Image struct {
	// Names are full references: docker.io/library/app:1.0.
	Names []string
	// Platforms are those of an index, or the one of an image.
	Platforms []Platform
	// Index says that the image is an index, of however many platforms.
	Index bool
}

// A Platform is an image for one platform.
type Platform struct {
	Platform ocispec.Platform
	// Layers, from base to top, are named by what distinguishes them: each holds a
	// file of that name.
	Layers []string
	// Labels are those of the configuration.
	Labels map[string]string
}

// ChainID is the ID of the topmost layer.
func (p Platform) ChainID() (digest.Digest, error) {
	var diffIDs []digest.Digest
	for _, name := range p.Layers {
		data, err := layer(name)
		if err != nil {
			return "", err
		}
		diffIDs = append(diffIDs, digest.FromBytes(data))
	}
	return identity.ChainID(diffIDs), nil
}

// An archive is one in the making: an OCI image layout in a tar file.
type archive struct {
	tar   *tar.Writer
	index ocispec.Index
	has   map[digest.Digest]bool
}

// Archive writes images as an archive that ctr images import reads, and returns
// the digests of their manifests or indexes.
func Archive(w io.Writer, images ...Image) ([]digest.Digest, error) {
	a := archive{tar: tar.NewWriter(w), has: make(map[digest.Digest]bool)}
	a.index.SchemaVersion = 2
	var targets []digest.Digest
	for _, img := range images {
		target, err := a.add(img)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target.Digest)
		for _, name := range img.Names {
			target.Annotations = map[string]string{"io.containerd.image.name": name}
			a.index.Manifests = append(a.index.Manifests, target)
		}
	}
	err := a.file(ocispec.ImageLayoutFile, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	if err != nil {
		return nil, err
	}
	index, err := json.Marshal(a.index)
	if err != nil {
		return nil, err
	}
	if err := a.file(ocispec.ImageIndexFile, index); err != nil {
		return nil, err
	}
	return targets, a.tar.Close()
}

// add adds an image with its content.
func (a *archive) add(img Image) (ocispec.Descriptor, error) {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, p := range img.Platforms {
		manifest, err := a.platform(p)
		if err != nil || !img.Index {
			return manifest, err
		}
		index.Manifests = append(index.Manifests, manifest)
	}
	return a.object(ocispec.MediaTypeImageIndex, index)
}

func (a *archive) platform(p Platform) (ocispec.Descriptor, error) {
	config := ocispec.Image{Platform: p.Platform}
	config.Config.Labels = p.Labels
	config.RootFS.Type = "layers"
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, name := range p.Layers {
		data, err := layer(name)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		desc, err := a.blob(ocispec.MediaTypeImageLayer, data)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, desc.Digest)
		manifest.Layers = append(manifest.Layers, desc)
	}
	var err error
	if manifest.Config, err = a.object(ocispec.MediaTypeImageConfig, config); err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, err := a.object(ocispec.MediaTypeImageManifest, manifest)
	desc.Platform = &p.Platform
	return desc, err
}

// layer is the content of a layer, which is not compressed, so that its diff ID is
// its digest.
func layer(name string) ([]byte, error) {
	var buf bytes.Buffer
	a := archive{tar: tar.NewWriter(&buf)}
	if err := a.file(name, []byte(name)); err != nil {
		return nil, err
	}
	err := a.tar.Close()
	return buf.Bytes(), err
}

func (a *archive) object(mediaType string, object any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return a.blob(mediaType, data)
}

// blob adds a piece of content unless it is there.
func (a *archive) blob(mediaType string, data []byte) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if a.has[desc.Digest] {
		return desc, nil
	}
	a.has[desc.Digest] = true
	return desc, a.file(ocispec.ImageBlobsDir+"/"+desc.Digest.Algorithm().String()+"/"+desc.Digest.Encoded(), data)
}

func (a *archive) file(name string, data []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}
