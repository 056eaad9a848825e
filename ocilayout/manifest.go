package ocilayout

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
)

// The media types of Docker, from before there was a specification.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// annotationSubject is the annotation by which BuildKit says in an index which
// manifest an attestation is about.
const annotationSubject = "vnd.docker.reference.digest"

// A node is a manifest or an index, as its blob says.
type node struct {
	desc    ocispec.Descriptor
	subject digest.Digest
	// created is the time in the annotations, or zero.
	created time.Time
	// index is set for an index.
	index *index
	// config and layers are those of a manifest.
	config *ocispec.Descriptor
	layers []ocispec.Descriptor
}

// isIndex reports whether a media type is that of an index.
func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerList
}

// A foreignError says that a blob is of a sort that this package does not know.
// Nothing can be said of what it needs.
type foreignError struct{ mediaType string }

// Error names the media type.
func (e *foreignError) Error() string { return "media type " + e.mediaType + " is not known" }

// readNode reads a manifest or an index. The error is a [*BlobError].
func (d directory) readNode(ctx context.Context, desc ocispec.Descriptor) (*node, stamp, error) {
	data, from, err := d.read(ctx, desc)
	if err != nil {
		return nil, from, err
	}
	n, err := parseNode(desc, data)
	if err != nil {
		path, _ := d.path(desc.Digest) // it was just read
		err = &BlobError{Digest: desc.Digest, Path: path, Err: err}
	}
	return n, from, err
}

func parseNode(desc ocispec.Descriptor, data []byte) (*node, error) {
	var doc struct {
		MediaType string               `json:"mediaType"`
		Config    *ocispec.Descriptor  `json:"config"`
		Layers    []ocispec.Descriptor `json:"layers"`
		Subject   *ocispec.Descriptor  `json:"subject"`
		Manifests []json.RawMessage    `json:"manifests"`
		// Damaged annotations do not damage the rest.
		Annotations json.RawMessage `json:"annotations"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	mediaType := desc.MediaType
	if mediaType == "" {
		mediaType = doc.MediaType
	}
	n := &node{desc: desc, config: doc.Config, layers: doc.Layers}
	if doc.Subject != nil {
		n.subject = doc.Subject.Digest
	}
	n.created = annotatedTime(doc.Annotations)
	switch {
	case doc.Manifests != nil && (doc.Config != nil || doc.Layers != nil):
		return nil, errors.New("it is an index and a manifest at once")
	case isIndex(mediaType) && (doc.Config != nil || doc.Layers != nil):
		return nil, errors.New("it is a manifest, and its descriptor says an index")
	case isIndex(mediaType):
		idx, err := parseIndex(data)
		n.index = idx
		return n, err
	case mediaType != ocispec.MediaTypeImageManifest && mediaType != dockerManifest:
		return nil, &foreignError{mediaType}
	case n.config == nil:
		return nil, errors.New("a manifest without a configuration")
	}
	return n, nil
}

// annotatedTime is when annotations say that something was made; zero if they do
// not.
func annotatedTime(annotations json.RawMessage) time.Time {
	var texts map[string]string
	_ = json.Unmarshal(annotations, &texts) // what cannot be read says nothing
	created, err := time.Parse(time.RFC3339, texts[ocispec.AnnotationCreated])
	if err != nil {
		return time.Time{}
	}
	return created.UTC()
}

// isImage reports whether the manifest is that of an image for a container, and
// not of some other artifact.
func (n *node) isImage() bool {
	if n.config == nil || n.subject != "" || n.config.Digest == ocispec.DescriptorEmptyJSON.Digest {
		return false
	}
	return n.config.MediaType == ocispec.MediaTypeImageConfig || n.config.MediaType == dockerConfig
}

// id is the ID of the image: the digest of its configuration, as Docker and
// Podman have it, and for all else that of the manifest or the index. So it is
// for an image whose configuration has a malformed digest: it is unreadable.
func (n *node) id() digest.Digest {
	if n.isImage() && n.config.Digest.Validate() == nil {
		return n.config.Digest
	}
	return n.desc.Digest
}

// A config is what is read of an image configuration.
type config struct {
	ocispec.Platform
	Created *time.Time `json:"created"`
	Config  struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS *struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// readConfig reads the configuration of an image. It is nil for one that tells
// of no layers.
func (d directory) readConfig(ctx context.Context, desc ocispec.Descriptor) (*config, stamp, error) {
	data, from, err := d.read(ctx, desc)
	if err != nil {
		return nil, from, err
	}
	var cfg config
	if err := json.Unmarshal(data, &cfg); err != nil {
		path, _ := d.path(desc.Digest) // it was just read
		return nil, from, &BlobError{Digest: desc.Digest, Path: path, Err: errors.WithMessage(err, "image configuration")}
	}
	if cfg.RootFS == nil {
		return nil, from, nil
	}
	return &cfg, from, nil
}

// created is when the image was made; zero if the configuration does not say.
func (c *config) created() time.Time {
	if c.Created == nil {
		return time.Time{}
	}
	return c.Created.UTC()
}

// chains are the chain IDs of the layers, base to top; none when the
// configuration does not tell of them, one by one.
func (c *config) chains(layers int) []digest.Digest {
	if c == nil || len(c.RootFS.DiffIDs) != layers || layers == 0 {
		return nil
	}
	for _, diffID := range c.RootFS.DiffIDs {
		if diffID.Validate() != nil {
			return nil
		}
	}
	return identity.ChainIDs(append([]digest.Digest(nil), c.RootFS.DiffIDs...))
}
