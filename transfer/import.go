package transfer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/v1/types"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// ImportOptions are the choices of an import. The zero value is a good default.
type ImportOptions struct {
	// Name is what the image is called; :latest is implied. A name that another
	// image has moves. Nil leaves the image without one.
	Name reference.Named
	// Changes are instructions as in a Dockerfile, each one of CMD, ENTRYPOINT,
	// ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and
	// WORKDIR. They are carried out in order, and mean what they mean to docker
	// import.
	Changes []string
	// Message is the comment in the history of the image. Where it is empty
	// that is "Imported from " and the URL, or "-" for a file or a stream.
	Message string
	// Platform is what the image runs on; where it is zero, this machine's.
	Platform ocispec.Platform
	// Created is when the image is said to be made; where it is zero, now. With
	// the same time and the same input, an import makes the same image.
	Created time.Time
	// MaxSize is how many bytes the archive may unpack to, as in
	// [LoadOptions].
	MaxSize int64
	// Client is what gets a URL. Nil means [http.DefaultClient].
	Client *http.Client
	// Progress is called from the goroutine of the import as bytes are read.
	// The one item is "archive"; its total is the size of the file, or what the
	// server says. It must be quick. Nil means that nobody wants to know.
	Progress func(Progress)
}

// Import makes an image of one layer of the tar archive of a root file system
// at from, a file or a URL with http or https, plain or compressed with gzip or
// zstd. The layer is what the archive unpacks to, byte by byte. The report has
// this image; importing twice is no error.
//
// The archive is read to its end and every entry looked at: one that is empty,
// no tar archive or damaged, or that has an entry or a hard link which leads out
// of the root, is an [*ArchiveError], and one that unpacks to too much wraps a
// [*TooLargeError]. After an error the store is as it was. The error is of class
// NotFound when there is no such file or the server says so, of class
// InvalidArgument when a change cannot be understood, and of class Unavailable
// when the server has other trouble, the connection breaks, or the context ends.
func Import(ctx context.Context, dst *diskstore.Store, from string, opts ImportOptions) (*Report, error) {
	return importFrom(ctx, dst, from, opts, func() (io.ReadCloser, int64, error) { return openInput(ctx, from, opts.Client) })
}

// ImportReader is [Import] for an archive that is read from r to its end, such
// as standard input. Errors call it "(stream)". About the end of the context see
// [LoadReader].
func ImportReader(ctx context.Context, dst *diskstore.Store, r io.Reader, opts ImportOptions) (*Report, error) {
	return importFrom(ctx, dst, "(stream)", opts, func() (io.ReadCloser, int64, error) {
		return io.NopCloser(newPatient(ctx, r)), -1, nil
	})
}

// importFrom checks the options before anything is opened, so that a mistake in
// them costs no download.
func importFrom(ctx context.Context, dst *diskstore.Store, from string, opts ImportOptions, open func() (io.ReadCloser, int64, error)) (*Report, error) {
	config, err := newConfig(from, opts)
	if err == nil {
		err = opts.Check()
	}
	if err != nil {
		return nil, err
	}
	in, err := dst.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	r, size, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	from = redacted(from)
	l := &loader{path: from, dst: dst, opts: LoadOptions{MaxSize: opts.MaxSize, Progress: opts.Progress}}
	rootFS, err := l.copyRootFS(ctx, in, r, size)
	if err != nil {
		return nil, located(from, "", err)
	}
	if err := l.addImported(ctx, in, config, rootFS, opts.names()); err != nil {
		return nil, err
	}
	if err := l.verifyHeld(ctx, in); err != nil {
		return nil, err
	}
	return l.commit(ctx, in)
}

// Check returns what is wrong with the options, before anything is read: an
// error of class InvalidArgument, as [Import] returns it.
func (o ImportOptions) Check() error {
	if _, ok := o.Name.(reference.Canonical); ok {
		return class.Errorf(class.InvalidArgument, "the name %s has a digest: an image gets that by its content", o.Name)
	}
	_, err := applyChanges(o.Changes)
	return err
}

// names are those that the image gets.
func (o ImportOptions) names() []reference.Named {
	if o.Name == nil {
		return nil
	}
	return []reference.Named{reference.TagNameOnly(o.Name)}
}

// newConfig makes the configuration of the image but for its layer.
func newConfig(from string, opts ImportOptions) (dockerspec.DockerOCIImage, error) {
	changed, err := applyChanges(opts.Changes)
	if err != nil {
		return dockerspec.DockerOCIImage{}, err
	}
	created := opts.Created
	if created.IsZero() {
		created = time.Now()
	}
	created = created.UTC()
	if isURL(from) {
		from = redacted(from)
	} else {
		from = "-"
	}
	config := dockerspec.DockerOCIImage{Config: changed}
	config.Created, config.Platform = &created, opts.Platform
	if zeroPlatform(opts.Platform) {
		config.Platform = hostPlatform()
	}
	config.History = []ocispec.History{{Created: &created, Comment: cmp.Or(opts.Message, "Imported from "+from)}}
	return config, nil
}

// addImported makes the image that the layer and the configuration are.
func (l *loader) addImported(ctx context.Context, in *diskstore.Ingest, config dockerspec.DockerOCIImage, rootFS ocispec.Descriptor, names []reference.Named) error {
	config.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{rootFS.Digest}}
	data, err := json.Marshal(config)
	if err != nil {
		return class.Wrap(class.InvalidArgument, err)
	}
	desc := ocispec.Descriptor{MediaType: string(types.DockerConfigJSON), Digest: digest.FromBytes(data), Size: int64(len(data))}
	if _, err := in.Write(ctx, bytes.NewReader(data), desc); err != nil {
		return err
	}
	l.images = []*image{{
		id: desc.Digest, config: config.Image, names: listOf(names), content: []blob{{"", desc, data}},
		layers: []layer{{desc: rootFS, diffID: rootFS.Digest}},
	}}
	return nil
}
