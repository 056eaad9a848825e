package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
)

// CopyToLayout brings the images that refs mean from a store into an OCI image
// layout, all or none, as [Copy] does for a store on disk. An image for several
// platforms is copied whole unless opts name one. What the layout has already is
// verified and stays as it is, and so does what others have written in its
// index; a descriptor there that has a name which is copied loses it and stays.
//
// The index is replaced in one step when all that it names is on disk. After an
// error it is as it was, and the content that was copied is removed. For a
// directory that is not there yet see [Save]. Errors are those of Save, and of
// the layout.
func CopyToLayout(ctx context.Context, dst *ocilayout.Layout, src Source, refs []string, opts CopyOptions) ([]SavedImage, error) {
	s, err := newSaver(ctx, src, refs, SaveOptions{Format: OCILayout, Platform: opts.Platform, Progress: opts.Progress})
	if err != nil {
		return nil, err
	}
	to := &layoutSink{dir: dst.Dir()}
	err = s.addTo(ctx, to)
	if err == nil {
		err = dst.Edit(ctx, func(tx *ocilayout.Tx) error { return s.list(ctx, tx, to) })
	}
	if err != nil {
		to.undo()
	}
	return s.report(outputError(dst.Dir(), err))
}

// addTo adds the content of all images to a layout.
func (s *saver) addTo(ctx context.Context, to *layoutSink) error {
	for _, img := range s.images {
		if err := to.skipPresent(ctx, s, img); err != nil {
			return err
		}
		if err := s.writeBlobs(ctx, to, img); err != nil {
			return err
		}
	}
	return to.finish()
}

// list lists all images in the index of a layout. Nobody deletes from it
// meanwhile; that all content is still there is looked at once more.
func (s *saver) list(ctx context.Context, tx *ocilayout.Tx, to *layoutSink) error {
	for _, img := range s.images {
		for _, desc := range img.content() {
			info, err := os.Stat(to.path(blobName(desc.Digest)))
			if err != nil || info.Size() != desc.Size {
				return class.Errorf(class.Unavailable, "content %s of image %s has been deleted meanwhile; copy again", desc.Digest, img.id)
			}
		}
		desc := img.root
		desc.Annotations = nil // of the index that it was in
		id, err := tx.Add(ctx, desc)
		if err != nil {
			return err
		}
		for _, name := range img.names.all {
			if err := tx.Name(ctx, id, name, refstore.AddOptions{Force: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

// content is all that the image consists of.
func (img *stored) content() []ocispec.Descriptor {
	descs := append(slices.Clone(img.docs), img.root)
	for _, one := range img.single {
		for _, ly := range one.layers {
			descs = append(descs, ly.desc)
		}
	}
	return descs
}

// A layoutSink adds blobs to an image layout that others may use.
type layoutSink struct {
	dir   string
	added []string // paths of blobs
}

// path is where the layout has a file.
func (s *layoutSink) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// skipPresent marks as written what the layout has undamaged.
func (s *layoutSink) skipPresent(ctx context.Context, by *saver, img *stored) error {
	for _, desc := range img.content() {
		if name := blobName(desc.Digest); !by.written[name] {
			present, err := isBlob(ctx, s.path(name), desc)
			if err != nil {
				return err
			}
			by.written[name] = present
		}
	}
	return nil
}

// isBlob reports whether the file at path is what desc says.
func isBlob(ctx context.Context, path string, desc ocispec.Descriptor) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	verifier := desc.Digest.Verifier()
	n, err := io.Copy(verifier, newMeter(ctx, f, func(int64) {}))
	return err == nil && n == desc.Size && verifier.Verified(), err
}

// put writes a blob beside its place and renames it.
func (s *layoutSink) put(name string, size int64, r io.Reader) error {
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.added = append(s.added, path)
	}
	return replace(path, func(w io.Writer) error { return copyExactly(w, r, size) })
}

// finish makes the names of the blobs durable.
func (s *layoutSink) finish() error {
	dirs := make(map[string]bool)
	for _, path := range s.added {
		dirs[filepath.Dir(path)] = true
	}
	for dir := range dirs {
		if err := errors.Join(vfs.OS{}.SyncDir(dir), vfs.OS{}.SyncDir(filepath.Dir(dir))); err != nil {
			return err
		}
	}
	return nil
}

// undo removes the blobs that were added.
func (s *layoutSink) undo() {
	for _, path := range s.added {
		_ = os.Remove(path) // a blob that nothing names is in the way of nothing
	}
}

// replace has fn write a file for everybody to read that then is at path, whole
// and on disk, or not at all.
func replace(path string, fn func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".jettison-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // not there once it has its name
	err = fn(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
