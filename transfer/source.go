package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

const (
	maxManifest = 4 << 20 // bytes of a manifest or an index
	maxConfig   = 8 << 20 // bytes of an image configuration

	// maxDocuments is about how many bytes of memory the documents of an archive
	// may take, all together and each as often as it is read: some thousands of
	// images.
	maxDocuments = 64 << 20
	// valueCost is about what a value takes in memory that is one of several in
	// a document, besides its text: a few bytes of JSON can make a large struct.
	valueCost = 64
)

// A source is an archive whose files are opened by name. Names are relative,
// slash-separated and may have dots in them; links are followed as long as they
// stay inside.
type source interface {
	// open returns the content of a regular file and its size in bytes. The
	// error wraps fs.ErrNotExist when there is no such file.
	open(name string) (io.ReadCloser, int64, error)
	// close frees what the source holds.
	close() error
}

// has reports whether src has a file of this name, of whatever kind.
func has(src source, name string) bool {
	f, _, err := src.open(name)
	if err == nil {
		_ = f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// localName cleans a path found in an archive and makes sure that it does not
// leave the archive's directory.
func localName(name string) (string, error) {
	if name == "" {
		return "", errors.New("empty path")
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return "", fmt.Errorf("path %q leaves the directory of the archive", name)
	}
	return clean, nil
}

// checkDigests makes sure that the digests in a document are well formed. Until
// then nothing else may be asked of them.
func checkDigests(descs ...ocispec.Descriptor) error {
	for _, desc := range descs {
		if err := desc.Digest.Validate(); err != nil {
			return fmt.Errorf("digest %q: %w", desc.Digest, err)
		}
	}
	return nil
}

// blobName is where an OCI layout keeps a blob.
func blobName(d digest.Digest) string {
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// readFile reads a whole file of at most limit bytes. By is the document that
// names it, if any.
func (l *loader) readFile(ctx context.Context, name string, limit int64, by string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.wrap(name, err)
	}
	f, size, err := l.src.open(name)
	if err != nil {
		return nil, l.wrap(name, namedBy(by, err))
	}
	defer func() { _ = f.Close() }()
	if size > limit {
		return nil, l.wrap(name, fmt.Errorf("has %d bytes, at most %d are read", size, limit))
	}
	if err := l.spend(size); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, l.wrap(name, err)
	}
	return data, l.spend(valueCost * int64(bytes.Count(data, []byte(","))))
}

// spend counts the memory that documents take.
func (l *loader) spend(cost int64) error {
	if l.cost += cost; l.cost > maxDocuments {
		return l.wrap("", fmt.Errorf("the configurations and manifests of its images take more than %d bytes of memory; load it in parts", maxDocuments))
	}
	return nil
}

// namedBy adds to err which document names the file in question.
func namedBy(by string, err error) error {
	if by == "" {
		return err
	}
	return fmt.Errorf("named by %s: %w", by, err)
}

// readBlob reads a document of at most limit bytes from an OCI layout and makes
// sure that it is what desc says. By is the document that has desc.
func (l *loader) readBlob(ctx context.Context, desc ocispec.Descriptor, limit int64, by string) ([]byte, error) {
	name := blobName(desc.Digest)
	data, err := l.readFile(ctx, name, limit, by)
	if err != nil {
		return nil, err
	}
	if err := sameSize(desc, int64(len(data)), by); err != nil {
		return nil, l.wrap(name, err)
	}
	return data, l.wrap(name, sameDigest(desc.Digest, desc.Digest.Algorithm().FromBytes(data)))
}

// sameSize is an error unless content has the number of bytes that want says,
// the descriptor of it in the document by.
func sameSize(want ocispec.Descriptor, got int64, by string) error {
	if want.Size == got {
		return nil
	}
	return namedBy(by, &diskstore.SizeError{Digest: want.Digest, Want: want.Size, Got: got})
}

// sameDigest is an error unless content has the digest wanted.
func sameDigest(want, got digest.Digest) error {
	if want == got {
		return nil
	}
	return &diskstore.DigestError{Want: want, Got: got}
}

// decode parses a JSON document found under name, which is to be what.
func (l *loader) decode(name, what string, data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return l.wrap(name, fmt.Errorf("is not %s: %w", what, err))
	}
	value, _, _ := strings.Cut(wrong.Value, " ") // without the number that is one
	if field := wrong.Field; field != "" {
		value += fmt.Sprintf(" in the field %q", field[strings.LastIndex(field, ".")+1:])
	}
	return l.wrap(name, fmt.Errorf("is not %s: it has a JSON %s", what, value))
}

// What documents are to be, in the words of errors.
const (
	aList     = "a list of images"
	anIndex   = "an image index"
	aManifest = "an image manifest"
	aConfig   = "an image configuration"
	aVersion  = "the version of an image layout"
)

// wrap says where err happened. A store that is copied from says so itself.
func (l *loader) wrap(entry string, err error) error {
	switch {
	case !l.trusted:
		return located(l.path, entry, err)
	case err == nil || class.Of(err) != nil:
		return err
	default:
		return class.Errorf(class.Internal, "%s: %w", entry, err)
	}
}
