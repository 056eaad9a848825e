package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is how many bytes a zstd stream may refer back, and so about the
// memory that unpacking it takes. It is what zstd's highest level uses.
const maxWindow = 128 << 20

// A compression is how a stream is compressed.
type compression int

const (
	plain compression = iota
	gzipped
	zstandard
	unsupported
)

// sniff tells the compression from the first bytes of r, which stay in r.
func sniff(r *bufio.Reader) (compression, error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return plain, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard, nil
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstandard, nil // a frame to be skipped, as pzstd begins with
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return unsupported, nil
	default:
		return plain, nil
	}
}

// unpack returns what r holds, compressed with c.
func unpack(r io.Reader, c compression) (io.ReadCloser, error) {
	switch c {
	case gzipped:
		return gzip.NewReader(r)
	case zstandard:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case unsupported:
		return nil, errors.New("is compressed with bzip2 or xz; only gzip and zstd are supported")
	default:
		return io.NopCloser(r), nil
	}
}

// meter passes bytes through, obeys a context, tells the progress and keeps the
// error that ended the reading, so that it is not taken for one of writing.
type meter struct {
	read  func([]byte) (int, error)
	check func() error
	tell  func(done int64)
	done  int64
	err   error
}

func newMeter(ctx context.Context, r io.Reader, tell func(done int64)) *meter {
	return &meter{read: r.Read, check: ctx.Err, tell: tell}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err = m.check(); m.err != nil {
		return 0, m.err
	}
	n, err := m.read(p)
	m.done += int64(n)
	m.tell(m.done)
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// blame chooses the error that is at the root of a copy from m that ended with
// err: that of reading, if there was one.
func (m *meter) blame(err error) error {
	if err != nil && m.err != nil {
		return m.err
	}
	return err
}
