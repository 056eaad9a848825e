package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"

	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// layoutFile is the content of the file oci-layout.
const layoutFile = `{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`

// writeLayout writes an OCI image layout. The index comes last: in a directory
// nothing may name what is not there.
func (s *saver) writeLayout(ctx context.Context, to sink) error {
	for _, img := range s.images {
		if err := s.writeBlobs(ctx, to, img); err != nil {
			return err
		}
	}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	index.Versioned = specs.Versioned{SchemaVersion: 2}
	for _, img := range s.images {
		index.Manifests = append(index.Manifests, img.descriptors()...)
	}
	if err := s.writeJSON(to, ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	return s.file(to, ocispec.ImageLayoutFile, int64(len(layoutFile)), bytes.NewReader([]byte(layoutFile)))
}

// writeJSON writes a document.
func (s *saver) writeJSON(to sink, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return class.Wrap(class.Internal, err)
	}
	return s.file(to, name, int64(len(data)), bytes.NewReader(data))
}

// descriptors are those of the image in index.json, one for each name.
func (img *stored) descriptors() []ocispec.Descriptor {
	if len(img.names.all) == 0 {
		return []ocispec.Descriptor{img.root}
	}
	descs := make([]ocispec.Descriptor, len(img.names.all))
	for i, name := range img.names.all {
		descs[i] = img.root
		descs[i].Annotations = maps.Clone(img.root.Annotations)
		if descs[i].Annotations == nil {
			descs[i].Annotations = make(map[string]string, 2)
		}
		descs[i].Annotations[containerdNameAnnotation] = name.String()
		descs[i].Annotations[ocispec.AnnotationRefName] = reference.FamiliarString(name)
	}
	return descs
}

// writeBlobs writes all that the image consists of, layers first.
func (s *saver) writeBlobs(ctx context.Context, to sink, img *stored) error {
	for _, one := range img.single {
		for _, ly := range one.layers {
			if err := s.writeBlob(ctx, to, ly.desc, s.tell(ly.desc)); err != nil {
				return img.lacks(one, ly, err)
			}
		}
	}
	for _, desc := range img.docs {
		if err := s.writeBlob(ctx, to, desc, func(int64) {}); err != nil {
			return err
		}
	}
	if name := blobName(img.root.Digest); img.made != nil && !s.written[name] {
		return s.file(to, name, img.root.Size, bytes.NewReader(img.made))
	}
	return nil
}

// writeBlob writes content of the store as it is.
func (s *saver) writeBlob(ctx context.Context, to sink, desc ocispec.Descriptor, tell func(int64)) error {
	name := blobName(desc.Digest)
	if s.written[name] {
		return nil
	}
	r, err := s.src.Blob(ctx, desc.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	from := newMeter(ctx, r, tell)
	return from.blame(s.file(to, name, desc.Size, from))
}

// tell is a function that tells how far the writing of a layer has come. A
// layer that has been written already is not told of.
func (s *saver) tell(desc ocispec.Descriptor) func(int64) {
	if s.written[blobName(desc.Digest)] {
		return func(int64) {}
	}
	return LoadOptions{Progress: s.opts.Progress}.progress(desc.Digest.String(), desc.Size)
}

// layerType tells from the first bytes of a layer what media type it has.
func (c *collector) layerType(ctx context.Context, desc ocispec.Descriptor) (string, error) {
	kind, err := kindOf(ctx, c.src, desc)
	switch kind {
	case gzipped:
		return ocispec.MediaTypeImageLayerGzip, err
	case zstandard:
		return ocispec.MediaTypeImageLayerZstd, err
	default:
		return ocispec.MediaTypeImageLayer, err
	}
}
