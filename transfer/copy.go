package transfer

import (
	"context"
	"io"
	"io/fs"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// CopyOptions are the choices of a copy. The zero value is a good default.
type CopyOptions struct {
	// Platform is the one to take of an image for several, as an image of its
	// own. Where it is zero the image stays whole. An image that does not match a
	// platform asked for is an error. What is about images goes with those taken.
	Platform ocispec.Platform
	// Progress is called from the goroutine of the copy as bytes are copied. Its
	// items are the digests of the layers that the target lacks. It must be
	// quick. Nil means that nobody wants to know.
	Progress func(Progress)
}

// Copy brings the images that refs mean from one store into another, and what is
// about them, all or none; refs mean what they mean to [Save], and so do the
// names that the images get. An image keeps its ID, its configuration and, if it
// has one, its manifest, an index all its bytes; its parent too, where the target
// has that or gets it. A name that another image has in the target moves. What
// the target has already is verified there and not copied.
//
// What is neither an image for a container nor about one, is skipped and reported
// without refs; asked for, it is an error of class InvalidArgument. With a
// platform, and without refs, so is what is about images that are not taken.
// Errors of the source are those of its Blob method, and those of the target as
// [Load] has them. Copying twice is no error.
func Copy(ctx context.Context, dst *diskstore.Store, src Source, refs []string, opts CopyOptions) (*Report, error) {
	images, left, err := collectAll(ctx, src, choice{refs: refs, platform: opts.Platform, fit: func(img *stored) error {
		if zeroPlatform(opts.Platform) || img.referrer || len(refs) == 0 && !img.isContainer() {
			return nil
		}
		return img.choose(opts.Platform)
	}})
	if err != nil {
		return nil, err
	}
	from := &blobSource{ctx: ctx, src: src, blobs: make(map[string]ocispec.Descriptor), lacking: make(map[string]func(error) error)}
	l := &loader{path: "(source)", src: from, dst: dst, opts: LoadOptions{Progress: opts.Progress}, trusted: true}
	for _, id := range left {
		l.skip(id, "", "it is about an image that is not copied")
	}
	for _, img := range images {
		if !img.referrer && !img.isContainer() {
			if len(refs) > 0 {
				return nil, class.Errorf(class.InvalidArgument, "image %s is none for a container and does not say what it is about: a store on disk cannot take it", img.id)
			}
			l.skip(img.id, "", "artifact, no image")
			continue
		}
		from.add(img)
		if err := l.addStored(ctx, img); err != nil {
			return nil, class.Wrap(class.Internal, err)
		}
	}
	in, err := dst.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	return l.take(ctx, in)
}

// addStored takes an image of another store.
func (l *loader) addStored(ctx context.Context, stored *stored) error {
	img, err := l.imageStored(ctx, stored)
	if err != nil {
		return err
	}
	img.parent = stored.parent
	img.names.add(stored.names.all...)
	return nil
}

// imageStored reads the documents of an image of another store.
func (l *loader) imageStored(ctx context.Context, stored *stored) (*image, error) {
	switch {
	case stored.made != nil:
		return l.addMade(ctx, stored)
	case types.MediaType(stored.root.MediaType).IsIndex():
		return l.addIndex(ctx, stored.root)
	default:
		return l.addManifest(ctx, stored.root)
	}
}

// addMade takes an image that has no manifest that fits.
func (l *loader) addMade(ctx context.Context, stored *stored) (*image, error) {
	one := stored.single[0]
	config, err := l.readBlob(ctx, one.config, maxConfig, "")
	if err != nil {
		return nil, err
	}
	img, err := l.addImage(blob{blobName(one.config.Digest), one.config, config})
	if err != nil {
		return nil, err
	}
	return img, l.setLayers(img, blobName(stored.root.Digest), one.layers)
}

// isContainer reports whether there is an image for a container in it: a
// configuration tells of all its layers.
func (img *stored) isContainer() bool {
	return slices.ContainsFunc(img.single, func(one single) bool { return one.container })
}

// A blobSource shows the content of a store as the files of an image layout.
type blobSource struct {
	ctx   context.Context //nolint:containedctx // lives within one call
	src   Source
	blobs map[string]ocispec.Descriptor // by their names
	// lacking is what to say when the source does not have a layer.
	lacking map[string]func(error) error
}

// add shows all that an image consists of.
func (b *blobSource) add(img *stored) {
	for _, desc := range img.content() {
		b.blobs[blobName(desc.Digest)] = desc
	}
	for _, one := range img.single {
		for _, ly := range one.layers {
			b.lacking[blobName(ly.desc.Digest)] = func(err error) error { return img.lacks(one, ly, err) }
		}
	}
}

func (b *blobSource) close() error { return nil }

func (b *blobSource) open(name string) (io.ReadCloser, int64, error) {
	desc, ok := b.blobs[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	r, err := b.src.Blob(b.ctx, desc.Digest)
	if say := b.lacking[name]; say != nil && err != nil {
		err = say(err)
	}
	return r, desc.Size, err
}
