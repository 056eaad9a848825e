package containerd

import (
	"context"
	"errors"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// An unlabelled completes content that says by no label what it needs, as very old
// programs have left it, from its documents.
type unlabelled struct {
	*state
	graph        *graph
	snapshotters []string
}

// complete does so for a manifest or an index, and for what lies in it. What is
// missing or damaged is left as it is.
func (u unlabelled) complete(ctx context.Context, id digest.Digest, depth int) error {
	b := u.graph.blobs[id]
	if b == nil || len(b.refs) > 0 || depth > imagestore.MaxNesting {
		return nil
	}
	doc, err := u.read(ctx, id)
	if doc == nil {
		return err
	}
	for i, layer := range doc.Layers {
		b.refs = append(b.refs, blobRef{label: gcRefLayer + strconv.Itoa(i), to: layer.Digest})
	}
	if doc.Config != nil {
		b.refs = append(b.refs, blobRef{label: gcRefContent + ".config", to: doc.Config.Digest})
		if err := u.completeConfig(ctx, doc.Config.Digest); err != nil {
			return err
		}
	}
	for i, entry := range doc.Manifests {
		b.refs = append(b.refs, blobRef{label: gcRefContent + ".m." + strconv.Itoa(i), to: entry.Digest})
		if err := u.complete(ctx, entry.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// completeConfig notes what a configuration would be unpacked to.
func (u unlabelled) completeConfig(ctx context.Context, id digest.Digest) error {
	b := u.graph.blobs[id]
	if b == nil || len(b.snapshots) > 0 {
		return nil
	}
	doc, err := u.read(ctx, id)
	if doc == nil || doc.RootFS == nil {
		return err
	}
	top := identity.ChainID(doc.RootFS.DiffIDs).String()
	for _, name := range u.snapshotters {
		b.snapshots = append(b.snapshots, snapshotKey{name, top})
	}
	return nil
}

// read returns a document, or none when it is missing or damaged.
func (u unlabelled) read(ctx context.Context, id digest.Digest) (*document, error) {
	doc, err := u.document(ctx, ocispec.Descriptor{Digest: id})
	var damage *damageError
	if class.Is(err, class.NotFound) || errors.As(err, &damage) {
		return nil, nil
	}
	return doc, err
}
