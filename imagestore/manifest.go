package imagestore

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A head is what is read of a manifest or an index beside its entries.
type head struct {
	id      digest.Digest
	subject digest.Digest
	created time.Time
}

// parseManifest reads the manifest of a Spec, if there is one.
func parseManifest(spec Spec) (head, error) {
	if spec.Manifest.Data == nil {
		return head{}, nil
	}
	doc, err := spec.Manifest.named()
	if err != nil {
		return head{}, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(doc.Data, &manifest); err != nil {
		return head{}, class.Errorf(class.InvalidArgument, "manifest %s: %w", doc.Digest, err)
	}
	return newHead(doc.Digest, manifest.Subject, manifest.Annotations)
}

func newHead(id digest.Digest, subject *ocispec.Descriptor, annotations map[string]string) (head, error) {
	h := head{id: id}
	if created, err := time.Parse(time.RFC3339, annotations[ocispec.AnnotationCreated]); err == nil {
		h.created = created.UTC()
	}
	if subject == nil {
		return h, nil
	}
	if err := subject.Digest.Validate(); err != nil {
		return h, class.Errorf(class.InvalidArgument, "subject %q of %s: %w", subject.Digest, id, err)
	}
	h.subject = subject.Digest
	return h, nil
}

// artifact is the image of a manifest alone.
func (h head) artifact(parent digest.Digest) Image {
	return Image{ID: h.id, Subject: h.subject, Created: h.created, Parent: parent}
}
