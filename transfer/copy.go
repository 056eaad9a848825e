package transfer

import (
	"context"
	"io"
	"io/fs"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// CopyOptions are the choices of a copy. The zero value is a good default.
type CopyOptions struct {
	// Platform is the one to take of an image for several. Where it is zero, a
	// store on disk gets the one for this machine, and a layout all. An image
	// that does not match a platform asked for is an error.
	Platform ocispec.Platform
	// Progress is called from the goroutine of the copy as bytes are copied. Its
	// items are the digests of the layers that the target lacks. It must be
	// quick. Nil means that nobody wants to know.
	Progress func(Progress)
}

// Copy brings the images that refs mean from one store into another, all or
// none, with the tags by which they are asked for; refs mean what they mean to
// [Save]. An image keeps its ID, its configuration and, if it has one, its
// manifest; its parent too, where the target has that or gets it. A name that
// another image has in the target moves. What the target has already is verified
// there and not copied.
//
// Without refs, what is no image for a container, such as a signature, is
// skipped and reported; asked for, it is an error of class InvalidArgument.
// Errors of the source are those of its Blob method, and those of the target as
// [Load] has them. Copying twice is no error.
func Copy(ctx context.Context, dst *diskstore.Store, src Source, refs []string, opts CopyOptions) (*Report, error) {
	images, err := collectAll(ctx, src, refs)
	if err != nil {
		return nil, err
	}
	from := &blobSource{ctx: ctx, src: src, blobs: make(map[string]ocispec.Descriptor)}
	l := &loader{path: "(source)", src: from, dst: dst, opts: LoadOptions{Progress: opts.Progress}, trusted: true}
	for _, img := range images {
		if len(refs) == 0 && !img.isContainer() {
			l.skip(img.root.Digest, "", "artifact, no image")
			continue
		}
		if err := l.addStored(ctx, from, img, opts.Platform); err != nil {
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
func (l *loader) addStored(ctx context.Context, from *blobSource, stored *stored, want ocispec.Platform) error {
	if err := stored.choose(want); err != nil {
		return err
	}
	one := stored.single[0]
	img := &image{id: one.config.Digest, names: stored.names, parent: stored.parent, layers: one.layers}
	for _, desc := range stored.docs {
		data, err := readAll(ctx, from.src, desc.Digest, maxConfig)
		if err != nil {
			return err
		}
		if err := l.spend(int64(len(data))); err != nil {
			return err
		}
		img.content = append(img.content, blob{blobName(desc.Digest), desc, data})
	}
	config := img.content[0]
	if err := l.decode(config.entry, aConfig, config.data, &img.config); err != nil {
		return err
	}
	if !stored.isContainer() {
		return class.Errorf(class.InvalidArgument, "image %s is none for a container: a store on disk cannot take it", stored.id)
	}
	for i := range img.layers {
		img.layers[i].by = blobName(one.manifest.Digest)
		from.blobs[img.layers[i].entry] = img.layers[i].desc
	}
	l.images = append(l.images, img)
	return nil
}

// isContainer reports whether there is an image for a container in it: a
// configuration tells of all its layers.
func (img *stored) isContainer() bool {
	return slices.ContainsFunc(img.single, func(one single) bool { return one.container })
}

// A blobSource shows the layers of a store as the files of an image layout.
type blobSource struct {
	ctx   context.Context //nolint:containedctx // lives within one call
	src   Source
	blobs map[string]ocispec.Descriptor // by their names
}

func (b *blobSource) close() error { return nil }

func (b *blobSource) open(name string) (io.ReadCloser, int64, error) {
	desc, ok := b.blobs[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	r, err := b.src.Blob(b.ctx, desc.Digest)
	return r, desc.Size, err
}
