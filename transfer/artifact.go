package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
)

// An artifact is what a manifest has that is not that of an image.
type artifact struct {
	reason  string // why it is no image
	subject digest.Digest
	blobs   []ocispec.Descriptor // its configuration and layers, whatever they are
}

func newArtifact(own blob, manifest ocispec.Manifest, reason string) *image {
	made := &artifact{reason: reason, blobs: append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...)}
	if manifest.Subject != nil {
		made.subject = manifest.Subject.Digest
	}
	return &image{
		id:       own.desc.Digest,
		content:  []blob{own},
		manifest: imagestore.Document{Digest: own.desc.Digest, Data: own.data},
		artifact: made,
	}
}

// chooseArtifacts leaves out those that do not say what they are about and, if a
// platform was asked for, those that are about what is not taken.
func (l *loader) chooseArtifacts() {
	var artifacts, rest []*image
	for _, img := range l.images {
		if img.artifact != nil {
			artifacts = append(artifacts, img)
		} else {
			rest = append(rest, img)
		}
	}
	known := func(about digest.Digest) bool {
		return slices.ContainsFunc(rest, func(img *image) bool { return img.id == about || img.manifest.Digest == about })
	}
	taken := 1
	for taken > 0 { // what is about one that is taken may come before it
		taken = 0
		artifacts = slices.DeleteFunc(artifacts, func(img *image) bool {
			about := img.about()
			take := len(about) > 0 && (zeroPlatform(l.opts.Platform) || slices.ContainsFunc(about, known))
			if take {
				rest = append(rest, img)
				taken++
			}
			return take
		})
	}
	for _, img := range artifacts {
		l.skip(img.id, "", img.artifact.reason)
	}
	l.images = slices.DeleteFunc(l.images, func(img *image) bool { return slices.Contains(artifacts, img) })
}

// about are the digests that an artifact is about.
func (img *image) about() []digest.Digest {
	var about []digest.Digest
	if img.artifact.subject != "" {
		about = append(about, img.artifact.subject)
	}
	for _, name := range img.names.all {
		if subject, ok := refstore.SubjectOf(name); ok {
			about = append(about, subject)
		}
	}
	return about
}

// copyArtifact writes what an artifact consists of to in.
func (l *loader) copyArtifact(ctx context.Context, in *diskstore.Ingest, img *image) error {
	if img.artifact == nil {
		return nil
	}
	for _, desc := range img.artifact.blobs {
		if err := l.copyBlob(ctx, in, desc); err != nil {
			return l.wrap(blobName(desc.Digest), fmt.Errorf("named by %s: %w", blobName(img.id), err))
		}
	}
	return nil
}

// copyBlob writes a blob that is no layer. A small one may lie in its descriptor.
func (l *loader) copyBlob(ctx context.Context, in *diskstore.Ingest, desc ocispec.Descriptor) error {
	if l.trusted {
		if has, err := in.Has(ctx, stripped(desc)); err != nil || has {
			return err
		}
	}
	name := blobName(desc.Digest)
	if desc.Data != nil && !has(l.src, name) {
		_, err := in.Write(ctx, bytes.NewReader(desc.Data), stripped(desc))
		return err
	}
	file, size, err := l.src.open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := sameSize(desc, size, "its descriptor"); err != nil {
		return err
	}
	metered := newMeter(ctx, file, l.opts.progress(desc.Digest.String(), size))
	if _, err := in.Write(ctx, metered, stripped(desc)); err != nil {
		return metered.blame(err)
	}
	_, err = io.Copy(io.Discard, metered) // so that the progress ends
	return metered.blame(err)
}
