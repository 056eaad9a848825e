package ocilayout

import (
	"context"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
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
	return readers.Verify(file, content, func(err error) error {
		if errors.Is(err, readers.ErrAltered) {
			return &BlobError{Digest: content, Path: file.Name(), Err: err}
		}
		return unavailable(err)
	}), nil
}
