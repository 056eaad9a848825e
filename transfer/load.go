package transfer

import (
	"context"
	"io"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
)

// LoadOptions are the choices of a load. The zero value is a good default.
type LoadOptions struct {
	// Platform is the one to take from an index of several, as an image of its
	// own. Where it is zero the index is kept whole (rule M1). An image that does
	// not match a platform asked for is an error, also one that stands alone.
	Platform ocispec.Platform

	// Localhost puts names that state no registry in localhost/, as podman load
	// does. Otherwise they mean docker.io, as with docker load.
	Localhost bool

	// MaxSize is how many bytes an archive may have when it is unpacked to a
	// temporary file, which happens to compressed and to streamed ones. When it
	// has more, the error is a [*TooLargeError]. Zero means no limit for a plain
	// archive; one that is compressed may unpack to 4 GiB, and beyond that to
	// 200 times the bytes read. A negative value means no limit at all.
	MaxSize int64

	// Progress is called from the goroutine of the load as bytes are read. It
	// must be quick. Nil means that nobody wants to know.
	Progress func(Progress)
}

// Progress says how far the reading of one item has come. An item begins with
// Done zero and ends with the last call for it; items come one after another.
type Progress struct {
	// Item is "archive" while a compressed or streamed archive is unpacked to
	// a temporary file, then the digest of each layer's uncompressed content.
	Item string
	// Done is the number of bytes read so far.
	Done int64
	// Total is the number of bytes there are, or -1 when nobody knows.
	Total int64
}

// A Report says what a load did.
type Report struct {
	// Images are those that the archive holds, in its order, each once. They
	// are all in the store now; some may have been before.
	Images []LoadedImage
	// Moved are the names that named another image before, in the order in
	// which they were set.
	Moved []MovedName
	// Skipped is what the archive holds or says that was not taken, in the
	// order found.
	Skipped []Skipped
}

// A LoadedImage is an image that the archive holds.
type LoadedImage struct {
	// ID is the digest of the image's configuration, of the index, or of the
	// manifest of an artifact.
	ID digest.Digest
	// Names are the names the archive gives it, in its order; nil when none.
	Names []reference.Named
	// Parent is the ID of the parent that the image has in the store now, or
	// empty.
	Parent digest.Digest
	// Platform is what the image runs on; zero for an index and an artifact.
	Platform ocispec.Platform
	// Platforms are those of an index that the archive has, in its order.
	Platforms []ocispec.Platform
	// Subject is the digest of what an artifact is about, if it says so.
	Subject digest.Digest
}

// A MovedName is a name that was taken from one image and given to another.
type MovedName struct {
	// Name is the name, with a tag.
	Name reference.Named
	// From is the ID of the image that had it, which stays in the store.
	From digest.Digest
	// To is the ID of the image that has it now.
	To digest.Digest
}

// Skipped is something in an archive that was not taken, and why.
type Skipped struct {
	// Digest is that of the manifest or of the image, or empty.
	Digest digest.Digest
	// Name is the name or the platform that was not taken, in printable
	// characters, or empty when the whole of what Digest says was not.
	Name string
	// Reason says why, in words for the user.
	Reason string
}

// Load brings every image of what lies at path, an archive, an OCI image layout
// directory or one of skopeo's dir: transport, into dst, with all its names, or
// nothing at all. A name that another image has in the store moves, as with docker
// load. Loading twice is no error: images that the store has already stay as they
// are, and so does their content, which is verified. What is damaged of it is
// replaced by what the archive has; if the archive has it in another form only, the
// error wraps a [*diskstore.Damage].
//
// An index of several platforms is one image (see [LoadOptions.Platform]). What
// it lists and the archive lacks is reported; something must be there.
// Signatures, software bills of materials and the like are loaded when they say
// what they are about, by their manifest or their tag, and with a platform asked
// for, only when that is loaded too; whatever else is no image is skipped and
// reported. Parent links come from a docker-archive, and only where the history
// and the layers of the parent begin those of the child and the parent is loaded
// too or in the store.
//
// A named pipe is read as a stream. The context is obeyed until the commit
// begins, also while nobody writes to the pipe. Loads may run at the same time.
// For errors see the package documentation and [ArchiveError].
func Load(ctx context.Context, dst *diskstore.Store, path string, opts LoadOptions) (*Report, error) {
	return load(ctx, &loader{path: path, dst: dst, opts: opts}, func(in *diskstore.Ingest) (source, error) {
		return openSource(ctx, in, path, opts)
	})
}

// LoadReader is [Load] for an archive that is read from r to its end, such as
// standard input. Errors call it "(stream)". When the context ends, LoadReader
// returns, even if r does not: a Read under way is ended in an [*os.File] that
// supports deadlines, and otherwise left behind, to take what comes next.
func LoadReader(ctx context.Context, dst *diskstore.Store, r io.Reader, opts LoadOptions) (*Report, error) {
	const path = "(stream)"
	return load(ctx, &loader{path: path, dst: dst, opts: opts}, func(in *diskstore.Ingest) (source, error) {
		return openStream(ctx, in, newPatient(ctx, r), stream{path: path, size: -1, keep: opts})
	})
}

// A loader is one load: what it has found in the archive so far.
type loader struct {
	path    string // names the archive in errors
	src     source
	dst     *diskstore.Store
	opts    LoadOptions
	images  []*image
	skipped []Skipped
	cost    int64 // of the documents read, see maxDocuments
	trusted bool  // the source is a store, which has checked its layers
}

// load reads the documents, then the layers, then commits. The ingest comes
// first: a store that cannot be written to shall not even get temporary files.
func load(ctx context.Context, l *loader, open func(*diskstore.Ingest) (source, error)) (*Report, error) {
	in, err := l.dst.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	if l.src, err = open(in); err != nil {
		return nil, err
	}
	defer func() { _ = l.src.close() }()
	if err := l.readImages(ctx); err != nil {
		return nil, err
	}
	return l.take(ctx, in)
}

// take brings the images that were found into the store.
func (l *loader) take(ctx context.Context, in *diskstore.Ingest) (*Report, error) {
	if err := l.checkParents(ctx); err != nil {
		return nil, err
	}
	if err := l.copyContent(ctx, in); err != nil {
		return nil, err
	}
	if err := l.verifyHeld(ctx, in); err != nil {
		return nil, err
	}
	return l.commit(ctx, in)
}

// skip notes what is not taken.
func (l *loader) skip(id digest.Digest, name, reason string) {
	l.skipped = append(l.skipped, Skipped{Digest: id, Name: printable(name), Reason: printable(reason)})
}

// progress is a function that tells how far the reading of item has come.
func (o LoadOptions) progress(item string, total int64) func(done int64) {
	if o.Progress == nil {
		return func(int64) {}
	}
	o.Progress(Progress{Item: item, Total: total})
	return func(done int64) { o.Progress(Progress{Item: item, Done: done, Total: total}) }
}
