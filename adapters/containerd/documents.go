package containerd

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

const (
	// maxDocument is how large a manifest, an index or a configuration may be: as
	// many bytes as registries allow.
	maxDocument = 8 << 20
	// maxRemembered is how many bytes of them are remembered.
	maxRemembered = 128 << 20
)

// A document is what is read of a manifest, an index or a configuration. Which it
// is shows in what it has.
type document struct {
	// Manifest and index.
	MediaType   string               `json:"mediaType"`
	Config      *ocispec.Descriptor  `json:"-"`
	Layers      []ocispec.Descriptor `json:"layers"`
	Manifests   []ocispec.Descriptor `json:"manifests"`
	Subject     *ocispec.Descriptor  `json:"subject"`
	Annotations map[string]string    `json:"annotations"`

	// Configuration.
	ocispec.Platform
	Created *time.Time        `json:"created"`
	Labels  map[string]string `json:"-"`
	RootFS  *struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	// diffIDs are those of a configuration, by chain ID.
	diffIDs func() map[digest.Digest]digest.Digest
}

// parseDocument reads a document. "config" is a descriptor in a manifest and the
// parameters of a container in a configuration.
func parseDocument(data []byte) (*document, error) {
	var doc struct {
		document
		Either struct {
			ocispec.Descriptor
			Labels map[string]string `json:"Labels"`
		} `json:"config"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if doc.Either.Digest != "" {
		doc.Config = &doc.Either.Descriptor
	}
	if len(doc.Either.Labels) > 0 {
		doc.Labels = doc.Either.Labels
	}
	if len(doc.OSFeatures) == 0 {
		doc.OSFeatures = nil
	}
	doc.diffIDs = sync.OnceValue(doc.chains)
	return &doc.document, nil
}

// chains are the diff IDs by chain ID, which take a hash each.
func (d *document) chains() map[digest.Digest]digest.Digest {
	if d.RootFS == nil {
		return nil
	}
	found := make(map[digest.Digest]digest.Digest)
	for i, chain := range identity.ChainIDs(slices.Clone(d.RootFS.DiffIDs)) {
		found[chain] = d.RootFS.DiffIDs[i]
	}
	return found
}

// documents remember what was read: a digest means one thing for ever. When they
// are too large together, all are forgotten. They are safe for concurrent use.
type documents struct {
	mu    sync.RWMutex
	known map[digest.Digest]*document
	bytes int // of those that are known, as they were read
	limit int
}

func newDocuments() *documents {
	return &documents{known: make(map[digest.Digest]*document), limit: maxRemembered}
}

func (c *documents) get(id digest.Digest) (*document, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	doc, ok := c.known[id]
	return doc, ok
}

// put remembers a document that was so many bytes.
func (c *documents) put(id digest.Digest, doc *document, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[id] != nil {
		return // another goroutine has read it too
	}
	if c.bytes+size > c.limit {
		clear(c.known)
		c.bytes = 0
	}
	if size <= c.limit {
		c.known[id] = doc
		c.bytes += size
	}
}

// A damageError says that content is not what its digest or its media type says.
type damageError struct {
	content digest.Digest
	err     error
}

// Error names the content and what is wrong.
func (e *damageError) Error() string {
	return "content " + strconv.Quote(e.content.String()) + ": " + e.err.Error()
}

// document reads a manifest, an index or a configuration, and verifies it. The
// error is of class NotFound when it is not there, and a [*damageError] when it
// cannot be understood.
func (b *Backend) document(ctx context.Context, desc ocispec.Descriptor) (*document, error) {
	if doc, ok := b.docs.get(desc.Digest); ok {
		return doc, ctx.Err()
	}
	data, err := b.read(ctx, desc)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(data)
	if err != nil {
		return nil, &damageError{desc.Digest, err}
	}
	b.docs.put(desc.Digest, doc, len(data))
	return doc, nil
}

// read returns the bytes of a document, verified. The errors are those of document.
func (b *Backend) read(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	if err := desc.Digest.Validate(); err != nil { // a daemon would refuse the call
		return nil, &damageError{desc.Digest, err}
	}
	reader, err := b.services.Content.ReaderAt(in(ctx, b.opts.Namespace), ocispec.Descriptor{Digest: desc.Digest})
	if err != nil {
		return nil, failed("read "+desc.Digest.String(), err)
	}
	defer reader.Close() //nolint:errcheck // it is only read
	if size := reader.Size(); size > maxDocument {
		return nil, &damageError{desc.Digest, class.Errorf(class.Internal, "%d bytes are too many for a document", size)}
	}
	data := make([]byte, reader.Size())
	switch _, err := io.ReadFull(content.NewReader(reader), data); {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return nil, &damageError{desc.Digest, io.ErrUnexpectedEOF} // a daemon tells the size that it should have
	case err != nil:
		return nil, failed("read "+desc.Digest.String(), err)
	}
	if desc.Digest.Algorithm().FromBytes(data) != desc.Digest {
		return nil, &damageError{desc.Digest, class.Errorf(class.Internal, "its bytes have another digest")}
	}
	return data, nil
}
