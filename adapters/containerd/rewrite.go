package containerd

import (
	"context"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/indexdoc"
)

// A rewritten is an index without some of its manifests, with those that lie in
// it and changed too, innermost first.
type rewritten struct {
	target ocispec.Descriptor
	blobs  []newBlobData
	became map[digest.Digest]indexdoc.Change // of what was looked at; nothing of what goes
}

// newBlobData is content to be written, with its labels.
type newBlobData struct {
	digest digest.Digest
	data   []byte
	labels map[string]string
}

// rewrite writes an index without the manifests, and before that those in it. It
// says what becomes of the index: nothing when nothing is left in it.
func (r *rewritten) rewrite(ctx context.Context, s *state, desc ocispec.Descriptor, depth int) (indexdoc.Change, error) {
	unchanged := indexdoc.Change{Digest: desc.Digest, Size: desc.Size}
	doc, err := s.document(ctx, desc)
	if class.Is(err, class.NotFound) || err == nil && (doc.Manifests == nil || depth > imagestore.MaxNesting) {
		return unchanged, nil // as its record has it
	}
	if err != nil {
		return unchanged, err
	}
	changes := make(map[digest.Digest]indexdoc.Change)
	isLeft := false
	for _, entry := range doc.Manifests {
		now, known := r.became[entry.Digest]
		if !known {
			if now, err = r.rewrite(ctx, s, entry, depth+1); err != nil {
				return unchanged, err
			}
			r.became[entry.Digest] = now
		}
		if now.Digest != entry.Digest {
			changes[entry.Digest] = now
		}
		isLeft = isLeft || now.Digest != ""
	}
	switch {
	case len(changes) == 0:
		return unchanged, nil
	case !isLeft:
		return indexdoc.Change{}, nil
	}
	return r.write(ctx, s, desc, doc.Manifests, changes)
}

// write makes the bytes of a changed index.
func (r *rewritten) write(ctx context.Context, s *state, desc ocispec.Descriptor, entries []ocispec.Descriptor, changes map[digest.Digest]indexdoc.Change) (indexdoc.Change, error) {
	var none indexdoc.Change
	data, err := s.backend.read(ctx, desc)
	if err != nil {
		return none, err
	}
	if data, err = indexdoc.Edit(data, changes); err != nil {
		return none, class.Errorf(class.Internal, "index %s: %w", desc.Digest, err)
	}
	info, err := s.backend.services.Content.Info(s.here(ctx), desc.Digest)
	if err != nil {
		return none, failed("look at "+desc.Digest.String(), err)
	}
	now := indexdoc.Change{Digest: desc.Digest.Algorithm().FromBytes(data), Size: int64(len(data))}
	r.blobs = append(r.blobs, newBlobData{now.Digest, data, s.indexLabels(info.Labels, entries, changes)})
	return now, nil
}

// indexLabels are those of a changed index: its entries as a pull notes them, and what
// else the old one has but for what makes a root. Of the entries it names those that
// the old one does and those that something else holds: when one platform is imported
// the labels tell of no other.
func (s *state) indexLabels(old map[string]string, entries []ocispec.Descriptor, changes map[digest.Digest]indexdoc.Change) map[string]string {
	labels := make(map[string]string)
	kept := make(map[string]bool) // by digest
	for _, entry := range entries {
		b := s.graph.blobs[entry.Digest]
		kept[entry.Digest.String()] = b != nil && b.holders > 0
	}
	for label, value := range old {
		switch _, isEntry := kept[value]; {
		case label == gcRoot:
		case isEntry && strings.HasPrefix(label, gcRefContent):
			kept[value] = true
		default:
			labels[label] = value
		}
	}
	for i, entry := range entries {
		left := entry.Digest
		if change, ok := changes[left]; ok {
			left = change.Digest
		}
		if left != "" && kept[entry.Digest.String()] {
			labels[gcRefContent+".m."+strconv.Itoa(i)] = left.String()
		}
	}
	return labels
}
