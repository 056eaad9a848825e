package transfer

import (
	"context"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerManifest is the document that makes a tar archive a docker-archive.
const dockerManifest = "manifest.json"

// A dockerImage is one image in it.
type dockerImage struct {
	tarball.Descriptor
	// Parent is the ID of the image that this one was built from.
	Parent digest.Digest
}

// readDocker finds the images of a docker-archive.
func (l *loader) readDocker(ctx context.Context) error {
	entries, err := l.readDockerManifest(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.addDockerImage(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) readDockerManifest(ctx context.Context) ([]dockerImage, error) {
	data, err := l.readFile(ctx, dockerManifest, maxManifest, "")
	if err != nil {
		return nil, err
	}
	var entries []dockerImage
	return entries, l.decode(dockerManifest, aList, data, &entries)
}

func (l *loader) addDockerImage(ctx context.Context, e dockerImage) error {
	config, err := l.readDockerConfig(ctx, e.Config)
	if err != nil {
		return err
	}
	img, err := l.addImage(config)
	if err != nil {
		return err
	}
	for _, tag := range e.RepoTags {
		name, err := l.opts.parseTag(tag)
		if err != nil {
			return l.wrap(dockerManifest, err)
		}
		img.names.add(name)
	}
	if e.Parent != "" {
		img.parent = e.Parent
	}
	return l.setLayers(img, dockerManifest, dockerLayers(e, img.config.RootFS.DiffIDs))
}

// readDockerConfig reads an image configuration. Engines name its file after
// its digest, which then must be right.
func (l *loader) readDockerConfig(ctx context.Context, name string) (blob, error) {
	data, err := l.readFile(ctx, name, maxConfig, dockerManifest)
	if err != nil {
		return blob{}, err
	}
	desc := ocispec.Descriptor{MediaType: string(types.DockerConfigJSON), Digest: digest.FromBytes(data), Size: int64(len(data))}
	base := strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:")
	if named := digest.NewDigestFromEncoded(digest.SHA256, base); named.Validate() == nil {
		err = sameDigest(named, desc.Digest)
	}
	return blob{name, desc, data}, l.wrap(name, err)
}

// dockerLayers are the layers of an image in a docker-archive. How they are
// compressed, if at all, shows only when they are read.
func dockerLayers(e dockerImage, diffIDs []digest.Digest) []layer {
	layers := make([]layer, len(e.Layers))
	for i, name := range e.Layers {
		layers[i] = layer{entry: name}
		if i < len(diffIDs) {
			layers[i].desc.URLs = e.LayerSources[v1.Hash{Algorithm: diffIDs[i].Algorithm().String(), Hex: diffIDs[i].Encoded()}].URLs
		}
	}
	return layers
}
