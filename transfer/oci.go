package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
)

// readLayout finds the images of an OCI image layout.
func (l *loader) readLayout(ctx context.Context) error {
	if err := l.checkLayoutFile(ctx); err != nil {
		return err
	}
	data, err := l.readFile(ctx, ocispec.ImageIndexFile, maxManifest, "")
	if err != nil {
		return err
	}
	index, err := l.decodeIndex(ocispec.ImageIndexFile, data, "")
	if err != nil {
		return err
	}
	for _, desc := range index.Manifests {
		if err := l.addDescriptor(ctx, desc); err != nil {
			return err
		}
	}
	l.chooseArtifacts()
	err = l.readParents(ctx)
	var wrong *ArchiveError
	if errors.As(err, &wrong) { // another tool's file, or a damaged one; the images are whole
		l.skip("", dockerManifest, "parents are unknown: "+wrong.Err.Error())
		return nil
	}
	return err
}

func (l *loader) checkLayoutFile(ctx context.Context) error {
	const name = ocispec.ImageLayoutFile
	data, err := l.readFile(ctx, name, maxManifest, "")
	if err != nil {
		return err
	}
	var layout ocispec.ImageLayout
	if err := l.decode(name, aVersion, data, &layout); err != nil {
		return err
	}
	if layout.Version != ocispec.ImageLayoutVersion {
		return l.wrap(name, fmt.Errorf("version %q of the image layout is not supported, only %s", layout.Version, ocispec.ImageLayoutVersion))
	}
	return nil
}

// readParents takes parent links from the manifest.json that docker save writes
// beside an OCI layout.
func (l *loader) readParents(ctx context.Context) error {
	if !has(l.src, dockerManifest) {
		return nil
	}
	entries, err := l.readDockerManifest(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Parent == "" {
			continue
		}
		config, err := l.readDockerConfig(ctx, e.Config)
		if err != nil {
			return err
		}
		for _, img := range l.images {
			if img.id == digest.FromBytes(config.data) {
				img.parent = e.Parent
			}
		}
	}
	return nil
}

// addDescriptor takes the image that a descriptor in index.json leads to.
func (l *loader) addDescriptor(ctx context.Context, desc ocispec.Descriptor) error {
	kind := types.MediaType(desc.MediaType)
	if !kind.IsIndex() && !kind.IsImage() {
		l.skip(desc.Digest, "", fmt.Sprintf("media type %q is neither an image nor an index", desc.MediaType))
		return nil
	}
	top := desc
	if kind.IsIndex() && zeroPlatform(l.opts.Platform) {
		img, err := l.addIndex(ctx, desc)
		if err == nil {
			l.addNames(img, top)
		}
		return err
	}
	if kind.IsIndex() {
		chosen, err := l.choose(ctx, desc)
		if err != nil || chosen == nil {
			return err
		}
		desc = *chosen
	}
	img, err := l.addManifest(ctx, desc)
	if err != nil || img == nil {
		return err
	}
	l.addNames(img, top)
	return nil
}

// addManifest takes the image that has this manifest.
func (l *loader) addManifest(ctx context.Context, desc ocispec.Descriptor) (*image, error) {
	img, err := l.imageOf(ctx, desc)
	if err != nil {
		return nil, err
	}
	if old := l.find(img.id); old != nil {
		return old, nil
	}
	if img.artifact == nil {
		if err := l.checkPlatform(img); err != nil {
			return nil, err
		}
	}
	l.images = append(l.images, img)
	return img, nil
}

// imageOf reads the image that has this manifest, or the artifact.
func (l *loader) imageOf(ctx context.Context, desc ocispec.Descriptor) (*image, error) {
	manifest, data, err := l.readManifest(ctx, desc)
	if err != nil {
		return nil, err
	}
	return l.imageFrom(ctx, blob{blobName(desc.Digest), desc, data}, manifest)
}

// imageFrom makes the image of a manifest that was read from its own blob.
func (l *loader) imageFrom(ctx context.Context, own blob, manifest ocispec.Manifest) (*image, error) {
	entry := own.entry
	if reason := notImage(manifest); reason != "" {
		return newArtifact(own, manifest, reason), nil
	}
	layers, err := ociLayers(manifest)
	if err != nil {
		return nil, l.wrap(entry, err)
	}
	config, err := l.readBlob(ctx, manifest.Config, maxConfig, entry)
	if err != nil {
		return nil, err
	}
	img, err := l.newImage(blob{blobName(manifest.Config.Digest), manifest.Config, config})
	if err != nil {
		return nil, err
	}
	img.manifest = imagestore.Document{Digest: own.desc.Digest, Data: own.data}
	img.content = append(img.content, own)
	return img, l.setLayers(img, entry, layers)
}

func (l *loader) readManifest(ctx context.Context, desc ocispec.Descriptor) (ocispec.Manifest, []byte, error) {
	var manifest ocispec.Manifest
	data, err := l.readBlob(ctx, desc, maxManifest, ocispec.ImageIndexFile)
	if err != nil {
		return manifest, nil, err
	}
	entry := blobName(desc.Digest)
	if err := l.decode(entry, aManifest, data, &manifest); err != nil {
		return manifest, nil, err
	}
	err = checkHead(desc.MediaType, manifest.MediaType, manifest.SchemaVersion)
	if err == nil {
		err = checkDigests(append(manifest.Layers, manifest.Config)...)
	}
	return manifest, data, l.wrap(entry, err)
}

// decodeIndex parses an index that its descriptor calls a mediaType.
func (l *loader) decodeIndex(entry string, data []byte, mediaType string) (ocispec.Index, error) {
	var index ocispec.Index
	if err := l.decode(entry, anIndex, data, &index); err != nil {
		return index, err
	}
	err := checkHead(mediaType, index.MediaType, index.SchemaVersion)
	if err == nil {
		err = checkDigests(index.Manifests...)
	}
	return index, l.wrap(entry, err)
}

// checkHead makes sure that a document is what its descriptor promised, so that
// nobody takes a manifest for an index.
func checkHead(want, got string, version int) error {
	if want != "" && got != "" && got != want {
		return fmt.Errorf("says it is a %q, its descriptor a %q", got, want)
	}
	if version != 2 {
		return fmt.Errorf("schema version %d is not supported, only 2", version)
	}
	return nil
}

// ociLayers are the layers that a manifest lists.
func ociLayers(manifest ocispec.Manifest) ([]layer, error) {
	layers := make([]layer, len(manifest.Layers))
	for i, desc := range manifest.Layers {
		if !isLayer(desc.MediaType) {
			return nil, fmt.Errorf("layer %s has the media type %q, which is not supported", desc.Digest, desc.MediaType)
		}
		layers[i] = layer{entry: blobName(desc.Digest), desc: desc}
	}
	return layers, nil
}
