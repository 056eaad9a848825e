package ocilayout_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/ocilayout"
)

// Content is read and verified; what is not there, or no digest, is told.
func TestBlob(t *testing.T) {
	var desc ocispec.Descriptor
	dir := newLayout(t, func(dir string) []ocispec.Descriptor {
		desc = put(t, dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{})
		return nil
	})
	l := open(t, dir)
	readBlob := func() ([]byte, error) {
		t.Helper()
		r, err := l.Blob(t.Context(), desc.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close() //nolint:errcheck // only read
		return io.ReadAll(r)
	}
	data, err := readBlob()
	if err != nil || digest.FromBytes(data) != desc.Digest {
		t.Errorf("got %q, %v", data, err)
	}
	if err := os.WriteFile(blobPath(dir, desc.Digest), append(data[1:], 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *ocilayout.BlobError
	if _, err := readBlob(); !errors.As(err, &wrong) || !errors.Is(err, jettison.ErrInternal) {
		t.Errorf("altered: err = %v, want a BlobError", err)
	}
	if _, err := l.Blob(t.Context(), digest.FromString("nothing")); !errors.Is(err, jettison.ErrNotFound) {
		t.Errorf("missing: err = %v, want class NotFound", err)
	}
	if _, err := l.Blob(t.Context(), "sha256:../../index.json"); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("malformed: err = %v, want class InvalidArgument", err)
	}
}
