package podman

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
	"go.podman.io/storage"
)

// maxDocument is the size of the largest manifest or configuration that is read, in
// bytes. Podman itself pulls none above 4 MiB.
const maxDocument = 8 << 20

// A config is what the documents of an image tell. It is never changed.
type config struct {
	// from names the documents that were read.
	from string
	// list says that the image is a list of others: it has no configuration.
	list     bool
	created  *time.Time
	platform ocispec.Platform
	labels   map[string]string
	diffIDs  []digest.Digest
	history  []ocispec.History
}

// configs are the documents of images that were read, each once: what a digest
// names never changes.
type configs struct {
	mu   sync.Mutex
	byID map[digest.Digest]*config
}

func newConfigs() *configs { return &configs{byID: make(map[digest.Digest]*config)} }

// keep lets go of what belongs to other images than these.
func (c *configs) keep(images map[digest.Digest]*image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.byID {
		if images[id] == nil {
			delete(c.byID, id)
		}
	}
}

func (c *configs) get(id digest.Digest) *config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

func (c *configs) put(id digest.Digest, read *config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[id] = read
}

// config returns what the documents of the image tell, or nil when they tell
// nothing, for one is missing or damaged; that is a warning. The error is that of
// the store: it says nothing about the documents.
func (st *state) config(ctx context.Context, img *image) (*config, error) {
	if err := st.read(ctx); err != nil {
		return nil, err
	}
	from := img.documents()
	if known := st.owner.configs.get(img.id); known != nil && known.from == from {
		return known, nil
	}
	if read, ok := st.damaged[img.id]; ok {
		return read, nil
	}
	read, damage := st.readConfig(img)
	if damage == nil {
		read.from = from
		st.owner.configs.put(img.id, read)
		return read, nil
	}
	if _, err := st.owner.store.Image(img.ID); err != nil {
		return nil, storageError(err) // it is another's deletion, and no damage
	}
	st.damaged[img.id] = read
	st.owner.log.WarnContext(ctx, "image is damaged", "image", img.id, "error", damage)
	return read, nil
}

// documents names the documents of the image by their digests in its record.
func (img *image) documents() string {
	return img.BigDataDigests[storage.ImageDigestBigDataKey].String() + " " + img.BigDataDigests[img.id.String()].String()
}

// readConfig reads the manifest of an image and, unless it is a list, its
// configuration. What is readable of them comes back beside the error.
func (st *state) readConfig(img *image) (*config, error) {
	manifest, damage := st.readManifest(img)
	if damage == nil && manifest.Config == nil && manifest.Manifests != nil {
		return &config{list: true}, nil
	}
	key := img.id.String()
	if damage == nil && manifest.Config != nil && !slices.Contains(img.BigDataNames, key) {
		key = manifest.Config.Digest.String()
	}
	data, err := st.document(img, key)
	if err != nil {
		return nil, errors.WithMessage(err, "configuration")
	}
	read, err := parseConfig(data)
	if err != nil {
		return nil, errors.WithMessage(err, "configuration")
	}
	return read, damage
}

// A manifest is what is read of the manifest of an image or of a list.
type manifest struct {
	Config    *ocispec.Descriptor  `json:"config"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// document reads a document of the image, unless it is too large to be one.
func (st *state) document(img *image, key string) ([]byte, error) {
	if size := img.BigDataSizes[key]; size > maxDocument {
		return nil, errors.Errorf("its %d bytes are more than the %d MiB that are read", size, maxDocument>>20)
	}
	return st.owner.store.ImageBigData(img.ID, key)
}

func (st *state) readManifest(img *image) (manifest, error) {
	var read manifest
	data, err := st.document(img, storage.ImageDigestBigDataKey)
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	return read, errors.WithMessage(err, "manifest")
}

func parseConfig(data []byte) (*config, error) {
	var parsed ocispec.Image
	if err := json.Unmarshal(data, &parsed); err != nil {
		return nil, err
	}
	return &config{
		created:  parsed.Created,
		platform: parsed.Platform,
		labels:   parsed.Config.Labels,
		diffIDs:  parsed.RootFS.DiffIDs,
		history:  parsed.History,
	}, nil
}
