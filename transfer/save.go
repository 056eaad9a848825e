package transfer

import (
	"context"
	"io"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/platform"
)

// A Format is how images are laid out in a file or a directory.
type Format string

// The formats that [Save] writes.
const (
	// DockerArchive is what docker save writes: a tar archive with
	// manifest.json and layers that are not compressed.
	DockerArchive Format = "docker-archive"
	// OCIArchive is an OCI image layout in a tar archive.
	OCIArchive Format = "oci-archive"
	// OCILayout is the directory of an OCI image layout.
	OCILayout Format = "oci-dir"
)

// Formats lists the formats that [Save] writes.
func Formats() []Format { return []Format{DockerArchive, OCIArchive, OCILayout} }

// SaveOptions are the choices of a save. The zero value is a good default.
type SaveOptions struct {
	// Format is how the images are laid out; [DockerArchive] when empty.
	Format Format

	// Platform is the one to take of an image for several. Where it is zero,
	// the OCI formats keep such an image whole, and a docker-archive, which has
	// no place for that, gets the image for this machine. An image that does
	// not match a platform asked for is an error.
	Platform ocispec.Platform

	// Progress is called from the goroutine of the save as bytes are written.
	// Its items are the digests of layers. It must be quick. Nil means that
	// nobody wants to know.
	Progress func(Progress)
}

// A SavedImage is an image, or what is about one, that was written.
type SavedImage struct {
	// ID is that of the image in the store.
	ID digest.Digest
	// Names are the tags it was written with, in the order asked for; nil when
	// none.
	Names []reference.Named
	// Manifest is the digest of the manifest, or the index, by which an OCI
	// format has it; empty in a docker-archive.
	Manifest digest.Digest
	// Made says that the manifest was made now: the image came without one, or
	// Replaces is not empty.
	Made bool
	// Replaces is the manifest with which the image came, where it could not be
	// saved: the store has layers of the image in another form than it says.
	Replaces digest.Digest
}

// Save writes the images that refs mean to path, all or none, and reports them
// in the order asked for. References are resolved by the rules R1 to R7, R9 and
// R10, but, as with docker save, the mere name of a repository means all its tags.
// An image gets the tags by which it was asked for; asked for by its ID or a digest
// it gets none. Without refs, all images of the store and all tags are saved.
//
// In the OCI formats, what is about the images, and about that, comes after them
// (rule S1), listed in index.json too: without a name, but for the tags that say
// what it is about. With a platform, that is what is about this one alone; without
// refs, what is about others is then left out. A docker-archive has no place for
// it: it leaves it out, and what is no image for a container, asked for or without
// refs, is an error of class InvalidArgument.
//
// The same images always make the same bytes. Layers that images share are
// written once. In the OCI formats manifests, configurations and layers are
// those with which the image came, byte by byte; an image that came without a
// manifest gets one. In a docker-archive layers are not compressed, and parents
// are noted between images that are in it together.
//
// The file or directory is written beside path and renamed when it is whole
// and on disk. A file that is there is replaced, and so is an empty directory;
// what else is there is an error of class Conflict. A pipe or a device is
// written to as it is. When the directory of path is missing, the error is of
// class NotFound; a full disk and an ended context are of class Unavailable;
// content that is missing or altered is a [*diskstore.Damage]. Whoever wants to
// be sure that no image is deleted meanwhile holds a lease on it; otherwise the
// error is of class NotFound.
func Save(ctx context.Context, src Source, path string, refs []string, opts SaveOptions) ([]SavedImage, error) {
	s, err := newSaver(ctx, src, refs, opts)
	if err != nil {
		return nil, err
	}
	if s.opts.Format == OCILayout {
		err = writeDirectory(ctx, path, func(to sink) error { return s.write(ctx, to) })
	} else {
		err = writeFile(ctx, path, func(w io.Writer) error { return s.write(ctx, newTarSink(w)) })
	}
	return s.report(err)
}

// SaveWriter is [Save] for an archive that is written to w, such as standard
// output. After an error w has got a part of it. When the context ends,
// SaveWriter returns, even if w does not: a Write under way is left behind. The
// error is of class InvalidArgument for [OCILayout], which is no archive.
func SaveWriter(ctx context.Context, src Source, w io.Writer, refs []string, opts SaveOptions) ([]SavedImage, error) {
	if opts.Format == OCILayout {
		return nil, class.Errorf(class.InvalidArgument, "format %s is a directory: it cannot be written to a stream", opts.Format)
	}
	s, err := newSaver(ctx, src, refs, opts)
	if err != nil {
		return nil, err
	}
	return s.report(s.write(ctx, newTarSink(&patientWriter{ctx: ctx, w: w})))
}

// A saver is one save.
type saver struct {
	src     Source
	opts    SaveOptions
	images  []*stored
	written map[string]bool // names of files
}

func newSaver(ctx context.Context, src Source, refs []string, opts SaveOptions) (*saver, error) {
	switch opts.Format {
	case "":
		opts.Format = DockerArchive
	case DockerArchive, OCIArchive, OCILayout:
	default:
		return nil, class.Errorf(class.InvalidArgument, "unknown format %q: want one of %v", opts.Format, Formats())
	}
	s := &saver{src: src, opts: opts, written: make(map[string]bool)}
	var err error
	s.images, _, err = collectAll(ctx, src, choice{
		refs: refs, platform: opts.Platform, alone: opts.Format == DockerArchive, fit: s.prepare,
	})
	return s, err
}

// prepare makes sure that the format can hold the image.
func (s *saver) prepare(img *stored) error {
	docker := s.opts.Format == DockerArchive
	if !docker && (img.referrer || zeroPlatform(s.opts.Platform)) {
		return nil
	}
	if img.isContainer() || !docker {
		if err := img.choose(s.opts.Platform); err != nil {
			return err
		}
	}
	if docker && !img.isContainer() {
		return class.Errorf(class.InvalidArgument, "image %s is none for a container: a %s cannot hold it", img.id, DockerArchive)
	}
	return nil
}

// write writes all images to a sink and ends it.
func (s *saver) write(ctx context.Context, to sink) error {
	var err error
	if s.opts.Format == DockerArchive {
		err = s.writeDocker(ctx, to)
	} else {
		err = s.writeLayout(ctx, to)
	}
	if err == nil {
		err = to.finish()
	}
	return err
}

// report is the result of a save that ended with err.
func (s *saver) report(err error) ([]SavedImage, error) {
	if err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	saved := make([]SavedImage, len(s.images))
	for i, img := range s.images {
		saved[i] = SavedImage{ID: img.id, Names: img.names.all}
		if s.opts.Format != DockerArchive {
			saved[i].Manifest, saved[i].Made, saved[i].Replaces = img.root.Digest, img.made != nil, img.unfit
		}
	}
	return saved, nil
}

// choose leaves of an image for several platforms the one that serves want, or
// this machine where want is zero.
func (img *stored) choose(want ocispec.Platform) error {
	alone := len(img.single) == 1 && img.single[0].manifest.Digest == img.root.Digest
	if alone && zeroPlatform(want) {
		return nil
	}
	if zeroPlatform(want) {
		want = hostPlatform()
	}
	all := make([]ocispec.Descriptor, len(img.single))
	for i, one := range img.single {
		all[i] = one.manifest
		all[i].Platform = &img.single[i].platform
	}
	chosen := best(want, all)
	if len(all) == 0 {
		return class.Errorf(class.NotFound, "image %s has none of the images of its index", img.id)
	}
	if chosen == nil {
		return class.Errorf(class.NotFound, "image %s is not for %s, only for %s", img.id, platform.Format(want), listPlatforms(all))
	}
	for _, one := range img.single {
		if one.manifest.Digest == chosen.Digest {
			img.take(one)
			break
		}
	}
	return nil
}

// take leaves only one image of one platform.
func (img *stored) take(one single) {
	one.manifest.Platform = nil
	img.root, img.single = one.manifest, []single{one}
	img.docs = []ocispec.Descriptor{one.config}
	img.digests = []digest.Digest{one.config.Digest, one.manifest.Digest}
	if img.made == nil {
		img.docs = append(img.docs, one.manifest)
	}
}

// file writes what r holds under a name, once.
func (s *saver) file(to sink, name string, size int64, r io.Reader) error {
	s.written[name] = true
	return to.put(name, size, r)
}
