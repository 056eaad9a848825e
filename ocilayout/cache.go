package ocilayout

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"
)

// A cache has the documents that were read, parsed, so that each is read once.
// A digest stands for the same bytes for ever; a document whose file has changed
// since is read again all the same, and found out.
type cache struct {
	directory
	mu      sync.Mutex
	nodes   map[digest.Digest]cached[*node]
	configs map[digest.Digest]cached[*config]
}

// cached is a document and the file that it was read from.
type cached[T any] struct {
	doc  T
	from stamp
}

// A stamp tells a file from what it was before it was changed.
type stamp struct {
	size     int64
	modified time.Time
}

func newCache(d directory) *cache {
	return &cache{
		directory: d,
		nodes:     make(map[digest.Digest]cached[*node]),
		configs:   make(map[digest.Digest]cached[*config]),
	}
}

// stampOf returns the stamp of the file of a blob, or none.
func (c *cache) stampOf(blob digest.Digest) stamp {
	path, err := c.path(blob)
	if err != nil {
		return stamp{}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

// node returns a manifest or an index.
func (c *cache) node(ctx context.Context, desc ocispec.Descriptor) (*node, error) {
	return lookUp(c, c.nodes, desc, func() (*node, stamp, error) { return c.readNode(ctx, desc) })
}

// config returns the configuration of an image; nil for any other artifact.
func (c *cache) config(ctx context.Context, n *node) (*config, error) {
	if !n.isImage() {
		return nil, nil
	}
	return lookUp(c, c.configs, *n.config, func() (*config, stamp, error) { return c.readConfig(ctx, *n.config) })
}

// lookUp returns a document from the cache, or else reads it.
func lookUp[T any](c *cache, known map[digest.Digest]cached[T], desc ocispec.Descriptor, read func() (T, stamp, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hit, ok := known[desc.Digest]; ok && hit.from.size == desc.Size && hit.from == c.stampOf(desc.Digest) {
		return hit.doc, nil
	}
	doc, from, err := read()
	if err == nil {
		known[desc.Digest] = cached[T]{doc, from}
	}
	return doc, err
}

// keep forgets the documents for which wanted does not hold, so that the cache
// does not outgrow the layout.
func (c *cache) keep(wanted func(digest.Digest) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	forget(c.nodes, wanted)
	forget(c.configs, wanted)
}

func forget[T any](known map[digest.Digest]T, wanted func(digest.Digest) bool) {
	for blob := range known {
		if !wanted(blob) {
			delete(known, blob)
		}
	}
}

// isBlobError reports whether err is about one blob, and not about the context
// or the system as a whole.
func isBlobError(err error) bool {
	var damage *BlobError
	return errors.As(err, &damage)
}
