package ocilayout

import (
	"context"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// Blob opens content of the layout. Reading it to the end verifies it: in place
// of io.EOF comes a [*BlobError] when it is not what its digest says. Whoever has
// it open can read on when it is deleted meanwhile.
//
// The error is of class NotFound when the layout has no such content, and of
// class InvalidArgument when the digest is malformed.
func (l *Layout) Blob(ctx context.Context, content digest.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	path, err := l.path(content)
	if err != nil {
		return nil, class.Wrap(class.InvalidArgument, err)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, class.Errorf(class.NotFound, "no content %s in layout %s", content, l.dir)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return &blobFile{file: file, content: content, verifier: content.Verifier()}, nil
}

// A blobFile is a blob that is verified while it is read.
type blobFile struct {
	file     *os.File
	content  digest.Digest
	verifier digest.Verifier
}

func (b *blobFile) Read(p []byte) (int, error) {
	n, err := b.file.Read(p)
	_, _ = b.verifier.Write(p[:n]) // a hash takes all
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, unavailable(err)
	case !b.verifier.Verified():
		return n, &BlobError{Digest: b.content, Path: b.file.Name(), Err: errAltered}
	}
	return n, io.EOF
}

func (b *blobFile) Close() error { return unavailable(b.file.Close()) }
