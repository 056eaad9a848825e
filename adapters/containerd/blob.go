package containerd

import (
	"context"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// Blob opens a piece of content of the namespace; reading it to its end verifies
// it. The error is of class NotFound when it is not there, and of class Internal
// when its bytes have another digest. The context is that of the opening and of
// the reading.
func (b *Backend) Blob(ctx context.Context, id digest.Digest) (io.ReadCloser, error) {
	if err := id.Validate(); err != nil {
		return nil, class.Wrap(class.InvalidArgument, err)
	}
	reader, err := b.services.Content.ReaderAt(in(ctx, b.opts.Namespace), ocispec.Descriptor{Digest: id})
	if err != nil {
		return nil, failed("read "+id.String(), err)
	}
	return &blobReader{Reader: content.NewReader(reader), reader: reader, id: id, verifier: id.Verifier()}, nil
}

// A blobReader reads content and verifies it.
type blobReader struct {
	io.Reader
	reader   content.ReaderAt
	id       digest.Digest
	verifier digest.Verifier
}

// Read reads on. At the end it is known whether the content is what it should be.
func (r *blobReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	_, _ = r.verifier.Write(p[:n]) // a hash takes everything
	switch {
	case err == io.EOF && !r.verifier.Verified():
		return n, class.Errorf(class.Internal, "containerd: content %s: its bytes have another digest", r.id)
	case err == nil || err == io.EOF:
		return n, err
	}
	return n, failed("read "+r.id.String(), err)
}

// Close closes the content.
func (r *blobReader) Close() error { return failed("close "+r.id.String(), r.reader.Close()) }
