package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/platform"
)

// A Source is a store whose images can be read with their bytes. A
// [*diskstore.Store] is one, and a [*ocilayout.Layout].
type Source interface {
	jettison.Backend
	// Blob opens content that an image or a layer holds; reading it to its end
	// verifies it. The error is of class NotFound when nothing holds it.
	Blob(ctx context.Context, content digest.Digest) (io.ReadCloser, error)
}

// A stored image is one of a Source, as far as writing it elsewhere needs to
// know it.
type stored struct {
	id     digest.Digest
	names  nameList // tags, in the order asked for
	parent digest.Digest
	// root is the manifest, or the index of an image for several platforms.
	root ocispec.Descriptor
	// made is the manifest, where the store has none that fits.
	made []byte
	// unfit is a manifest that the store has and that does not fit.
	unfit digest.Digest
	// docs are the manifests, indexes and configurations below root and root
	// itself, unless made.
	docs []ocispec.Descriptor
	// digests are those by which others are about the image: of root, and of all
	// that lies in it or is listed there.
	digests []digest.Digest
	// referrer says that the image is about others.
	referrer bool
	// single are the images of one platform that root leads to: root itself, or
	// the manifests of the index that the store has.
	single []single
}

// single is an image of one platform.
type single struct {
	manifest ocispec.Descriptor
	config   ocispec.Descriptor
	platform ocispec.Platform
	layers   []layer // base first, each with its descriptor
	// container says that the configuration is that of an image for a
	// container, and tells of all the layers.
	container bool
}

// A document is any of those that describe images; what it is shows from what
// it has.
type document struct {
	MediaType string               `json:"mediaType"`
	Manifests []ocispec.Descriptor `json:"manifests"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Config    struct {
		ocispec.Descriptor
	} `json:"config"`
	RootFS *ocispec.RootFS `json:"rootfs"`
	ocispec.Platform
}

// A collector finds out what an image of a source consists of.
type collector struct {
	src    Source
	record imagestore.Image
	out    *stored
}

// collect returns all there is to know of the image.
func collect(ctx context.Context, src Source, record imagestore.Image) (*stored, error) {
	c := &collector{src: src, record: record, out: &stored{id: record.ID, parent: record.Parent}}
	data, doc, err := c.read(ctx, record.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case doc.RootFS != nil:
	case doc.Manifests == nil && doc.Config.Digest == "":
		return nil, class.Errorf(class.Internal, "image %s is neither a configuration nor a manifest nor an index", record.ID)
	default:
		c.out.root = describe(record.ID, doc, data)
		return c.out, c.walk(ctx, c.out.root, 0)
	}
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: record.ID, Size: int64(len(data))}
	kept, err := c.keptManifest(ctx, data)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		c.out.root = *kept
		return c.out, c.walk(ctx, *kept, 0)
	}
	return c.out, c.makeManifest(ctx, config, doc)
}

// lacks says what to do about a layer that is not in the store, if that is the
// error. Of an image by itself another manifest is made; one in an index cannot
// be another.
func (img *stored) lacks(one single, ly layer, err error) error {
	if !class.Is(err, class.NotFound) {
		return err
	}
	return class.Errorf(class.NotFound,
		"image %s: the store does not have layer %s in the form that manifest %s (%s) names, though it may have it compressed in another way; load the image again, or take another platform of it",
		img.id, ly.desc.Digest, one.manifest.Digest, platform.Format(one.platform))
}

// describe is the descriptor of a manifest or an index.
func describe(id digest.Digest, doc document, data []byte) ocispec.Descriptor {
	kind := doc.MediaType
	switch {
	case kind != "":
	case doc.Manifests != nil:
		kind = ocispec.MediaTypeImageIndex
	default:
		kind = ocispec.MediaTypeImageManifest
	}
	return ocispec.Descriptor{MediaType: kind, Digest: id, Size: int64(len(data))}
}

// read reads a document that the image holds.
func (c *collector) read(ctx context.Context, id digest.Digest) ([]byte, document, error) {
	var doc document
	data, err := readAll(ctx, c.src, id, maxConfig)
	if err != nil {
		return nil, doc, err
	}
	_ = json.Unmarshal(data, &doc) // what is none of them has nothing of them
	return data, doc, nil
}

// readAll reads content of at most limit bytes.
func readAll(ctx context.Context, src Source, id digest.Digest, limit int64) ([]byte, error) {
	r, err := src.Blob(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(newMeter(ctx, r, func(int64) {}), limit+1))
	if err == nil && int64(len(data)) > limit {
		err = class.Errorf(class.InvalidArgument, "document %s has more than %d bytes", id, limit)
	}
	return data, class.Wrap(class.Unavailable, err)
}

// keptManifest returns the manifest with which the image of this configuration
// came, or nil when the store has none, or holds its layers in another form.
func (c *collector) keptManifest(ctx context.Context, config []byte) (*ocispec.Descriptor, error) {
	for _, content := range c.record.Content {
		if content.Digest == c.record.ID || content.Size > maxManifest {
			continue
		}
		data, doc, err := c.read(ctx, content.Digest)
		if err != nil {
			return nil, err
		}
		if !isDigestOf(doc.Config.Digest, config) {
			continue // something else that the image keeps
		}
		c.out.unfit = content.Digest
		fits, err := c.hasAll(ctx, doc.Layers)
		if err != nil || fits {
			desc := describe(content.Digest, doc, data)
			c.out.unfit = ""
			return &desc, err
		}
	}
	return nil, nil
}

// isDigestOf reports whether d is the digest of data, by whatever algorithm.
func isDigestOf(d digest.Digest, data []byte) bool {
	return d.Validate() == nil && d.Algorithm().FromBytes(data) == d
}

// hasAll reports whether the source has all this content.
func (c *collector) hasAll(ctx context.Context, descs []ocispec.Descriptor) (bool, error) {
	for _, desc := range descs {
		r, err := c.src.Blob(ctx, desc.Digest)
		if class.Is(err, class.NotFound) || class.Is(err, class.InvalidArgument) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		_ = r.Close() // nothing was written
	}
	return true, nil
}

// holds reports whether the image itself keeps the document.
func (c *collector) holds(id digest.Digest) bool {
	return slices.ContainsFunc(c.record.Content, func(content imagestore.Content) bool { return content.Digest == id })
}

// walk takes a manifest, or an index and all that the image keeps below it.
func (c *collector) walk(ctx context.Context, desc ocispec.Descriptor, depth int) error {
	data, doc, err := c.read(ctx, desc.Digest)
	if err != nil {
		return err
	}
	desc.Size = int64(len(data))
	if doc.Manifests == nil {
		err = c.addManifest(ctx, desc, doc)
	} else {
		err = c.walkIndex(ctx, doc, depth+1)
	}
	c.out.docs = append(c.out.docs, desc) // after what it names
	c.out.digests = append(c.out.digests, desc.Digest)
	return err
}

// walkIndex takes all that the image keeps of what an index lists.
func (c *collector) walkIndex(ctx context.Context, doc document, depth int) error {
	if depth > maxNesting {
		return class.Errorf(class.InvalidArgument, "image %s: more than %d indexes lie in each other", c.record.ID, maxNesting)
	}
	for _, inner := range doc.Manifests {
		c.out.digests = append(c.out.digests, inner.Digest)
		seen := slices.ContainsFunc(c.out.docs, func(d ocispec.Descriptor) bool { return d.Digest == inner.Digest })
		if seen || !c.holds(inner.Digest) {
			continue
		}
		if err := c.walk(ctx, inner, depth); err != nil {
			return err
		}
	}
	return nil
}

// addManifest takes the image of one platform that has this manifest.
func (c *collector) addManifest(ctx context.Context, desc ocispec.Descriptor, doc document) error {
	if doc.Config.Digest == "" {
		return nil // of a kind to come; it is kept as it is
	}
	inside, err := c.inside(ctx, doc.Config.Descriptor)
	if err != nil {
		return err
	}
	var config document
	if !inside && doc.Config.Size <= maxConfig {
		if _, config, err = c.read(ctx, doc.Config.Digest); err != nil {
			return err
		}
	}
	one := single{manifest: desc, config: doc.Config.Descriptor, platform: config.Platform}
	if desc.Platform != nil {
		one.platform = *desc.Platform
	}
	one.container = config.RootFS != nil && len(config.RootFS.DiffIDs) == len(doc.Layers)
	one.layers = make([]layer, len(doc.Layers))
	for i, ly := range doc.Layers {
		one.layers[i] = layer{entry: blobName(ly.Digest), desc: ly}
		if one.container {
			one.layers[i].diffID = config.RootFS.DiffIDs[i]
		}
	}
	if !inside {
		c.out.docs = append(c.out.docs, one.config)
	}
	c.out.digests = append(c.out.digests, one.config.Digest)
	c.out.single = append(c.out.single, one)
	return nil
}

// inside reports whether content lies in its descriptor alone: the source has no
// blob of it, and what is copied needs none.
func (c *collector) inside(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	if desc.Data == nil {
		return false, nil
	}
	has, err := c.hasAll(ctx, []ocispec.Descriptor{desc})
	return !has, err
}

// makeManifest makes the manifest of an image that came without one. The same
// content always makes the same manifest.
func (c *collector) makeManifest(ctx context.Context, config ocispec.Descriptor, doc document) error {
	layers, err := c.chain(ctx)
	if err != nil {
		return err
	}
	if len(layers) != len(doc.RootFS.DiffIDs) {
		return class.Errorf(class.Internal, "image %s: the store has %d layers, its configuration names %d", c.record.ID, len(layers), len(doc.RootFS.DiffIDs))
	}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{}}
	manifest.SchemaVersion = 2
	for i := range layers {
		if layers[i].desc.MediaType, err = c.layerType(ctx, layers[i].desc); err != nil {
			return err
		}
		manifest.Layers = append(manifest.Layers, layers[i].desc)
	}
	if c.out.made, err = json.Marshal(manifest); err != nil {
		return class.Wrap(class.Internal, err)
	}
	c.out.root = ocispec.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(c.out.made), Size: int64(len(c.out.made))}
	c.out.docs = []ocispec.Descriptor{config}
	c.out.digests = []digest.Digest{config.Digest, c.out.root.Digest}
	c.out.single = []single{{manifest: c.out.root, config: config, platform: doc.Platform, layers: layers, container: true}}
	return nil
}

// chain returns the layers that the store has for the image, base first.
func (c *collector) chain(ctx context.Context) (layers []layer, err error) {
	err = c.src.View(ctx, func(stores jettison.Stores) error {
		layers = nil
		for at := c.record.Layer; at != ""; {
			record, err := stores.Images.Layer(ctx, at)
			if err != nil {
				return fmt.Errorf("image %s: %w", c.record.ID, err)
			}
			if len(record.Content) == 0 {
				return class.Errorf(class.InvalidArgument, "image %s: the store keeps no content of layer %s", c.record.ID, at)
			}
			content := record.Content[0]
			layers = append(layers, layer{
				entry: blobName(content.Digest), diffID: record.DiffID,
				desc: ocispec.Descriptor{Digest: content.Digest, Size: content.Size},
			})
			at = record.Parent
		}
		slices.Reverse(layers)
		return nil
	})
	return layers, err
}
