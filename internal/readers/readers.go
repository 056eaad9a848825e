// Package readers has the readers that several stores read content through.
package readers

import (
	"context"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
)

// ErrAltered says that content is not what its digest says.
var ErrAltered = errors.New("it is not what its digest says")

// A Verified reader reads a file, and verifies at its end that it is what its
// digest says.
type Verified struct {
	file     *os.File
	verifier digest.Verifier
	failed   func(error) error
}

// Verify returns a reader of the file, which it closes. Failed makes the errors
// that are returned of those of the file and of [ErrAltered]; nil stays nil.
func Verify(file *os.File, content digest.Digest, failed func(error) error) *Verified {
	return &Verified{file: file, verifier: content.Verifier(), failed: failed}
}

// Read reads from the file.
func (v *Verified) Read(p []byte) (int, error) {
	n, err := v.file.Read(p)
	_, _ = v.verifier.Write(p[:n]) // a hash takes all
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, v.failed(err)
	case !v.verifier.Verified():
		return n, v.failed(ErrAltered)
	}
	return n, io.EOF
}

// Close closes the file.
func (v *Verified) Close() error {
	if err := v.file.Close(); err != nil {
		return v.failed(err)
	}
	return nil
}

// Until returns a reader that stops with a context: its error is that of the
// context then.
func Until(ctx context.Context, r io.Reader) io.Reader { return &until{ctx: ctx, r: r} }

type until struct {
	ctx context.Context //nolint:containedctx // lives within one call
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
