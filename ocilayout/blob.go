package ocilayout

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/readers"
)

const (
	// maxIndex is the size of the largest index.json that is read, in bytes. A
	// descriptor takes some 300 bytes, so it has room for 200,000.
	maxIndex = 64 << 20
	// maxDocument is the size of the largest manifest, index or configuration
	// that is read. Registries refuse manifests above 4 MiB.
	maxDocument = 8 << 20
)

var errTooLarge = errors.Errorf("it is larger than the %d MiB that are read", maxDocument>>20)

// path is where a blob lies. A digest that is not well formed, or of an
// algorithm that is not known, has none, so that no path leads out of the
// layout.
func (d directory) path(content digest.Digest) (string, error) {
	if err := content.Validate(); err != nil {
		return "", errors.WithMessagef(err, "digest %q", content)
	}
	return filepath.Join(d.dir, "blobs", content.Algorithm().String(), content.Encoded()), nil
}

// sharesBlobs reports whether the blobs lie behind a symbolic link: they may be
// those of other layouts too, of which this one knows nothing.
func (d directory) sharesBlobs() bool {
	blobs := filepath.Join(d.dir, ocispec.ImageBlobsDir)
	for _, dir := range []string{blobs, filepath.Join(blobs, "sha256"), filepath.Join(blobs, "sha384"), filepath.Join(blobs, "sha512")} {
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// read returns a blob that is a document, verified, and the stamp of its file.
// The error is a [*BlobError] unless the context has ended.
func (d directory) read(ctx context.Context, desc ocispec.Descriptor) ([]byte, stamp, error) {
	if err := ctx.Err(); err != nil {
		return nil, stamp{}, class.Wrap(class.Unavailable, err)
	}
	path, err := d.path(desc.Digest)
	if err != nil {
		return nil, stamp{}, &BlobError{Digest: desc.Digest, Err: err}
	}
	data, from, err := readDocument(path, desc)
	if err != nil {
		return nil, stamp{}, &BlobError{Digest: desc.Digest, Path: path, Err: err}
	}
	return data, from, nil
}

func readDocument(path string, desc ocispec.Descriptor) ([]byte, stamp, error) {
	if desc.Size > maxDocument {
		return nil, stamp{}, errTooLarge
	}
	if err := mustBeFile(path); err != nil {
		return nil, stamp{}, err
	}
	f, err := os.Open(path) //nolint:gosec // made of a digest that was checked
	if err != nil {
		return nil, stamp{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, stamp{}, err
	case info.Size() != desc.Size:
		return nil, stamp{}, errors.Errorf("it has %d bytes, and not the %d that its descriptor says", info.Size(), desc.Size)
	}
	data := make([]byte, desc.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, stamp{}, err
	}
	if desc.Digest.Algorithm().FromBytes(data) != desc.Digest {
		return nil, stamp{}, readers.ErrAltered
	}
	return data, stamp{info.Size(), info.ModTime()}, nil
}

// mustBeFile keeps what opens a file from waiting for ever at a pipe.
func mustBeFile(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.Errorf("%s is no regular file", path)
	}
	return err
}

// readIndex returns the bytes of index.json.
func (d directory) readIndex() ([]byte, error) {
	path := d.indexPath()
	if err := mustBeFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err == nil && len(data) > maxIndex {
		err = &IndexError{Path: path, Err: errors.Errorf("it is larger than %d MiB", maxIndex>>20)}
	}
	return data, err
}

// sameIndex reports whether index.json still is what was read.
func (d directory) sameIndex(was []byte) (bool, error) {
	now, err := d.readIndex()
	return bytes.Equal(now, was), err
}
