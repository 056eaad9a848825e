package transfer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/diskstore"
)

// bufferSize is how many bytes are read at once.
const bufferSize = 64 << 10

// copyContent writes all that the images consist of to in, each layer once, and
// completes the descriptors of the layers.
func (l *loader) copyContent(ctx context.Context, in *diskstore.Ingest) error {
	copied := make(map[string]layer)
	for _, img := range l.images {
		for _, part := range img.parts() {
			if err := l.copyImage(ctx, in, part, copied); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) copyImage(ctx context.Context, in *diskstore.Ingest, img *image, copied map[string]layer) error {
	for i, ly := range img.layers {
		desc, err := l.copyOnce(ctx, in, ly, copied)
		if err != nil {
			return l.wrap(ly.entry, err)
		}
		img.layers[i].desc = desc
	}
	for _, b := range img.content {
		if _, err := in.Write(ctx, bytes.NewReader(b.data), b.desc); err != nil {
			return l.wrap(b.entry, err)
		}
	}
	return l.copyArtifact(ctx, in, img)
}

// key is the same for layers that need to be copied only once: the digest of
// the content, or what it must unpack to where the archive does not say.
func (ly layer) key() string { return cmp.Or(ly.desc.Digest, ly.diffID).String() }

// copyOnce copies a layer unless that was done for another image; then it only
// makes sure that the archive has what it says.
func (l *loader) copyOnce(ctx context.Context, in *diskstore.Ingest, ly layer, copied map[string]layer) (ocispec.Descriptor, error) {
	if l.trusted {
		if has, err := in.Has(ctx, ly.desc); err != nil || has {
			return ly.desc, err
		}
	}
	file, size, err := l.src.open(ly.entry)
	if err != nil {
		return ly.desc, missingLayer(ly, err)
	}
	defer func() { _ = file.Close() }()
	if ly.desc.Digest != "" {
		if err := sameSize(ly.desc, size, ly.by); err != nil {
			return ly.desc, err
		}
	}
	if before, ok := copied[ly.key()]; ok {
		return before.desc, sameDigest(ly.diffID, before.diffID)
	}
	tell := l.opts.progress(ly.diffID.String(), size)
	desc, err := copyLayer(ctx, in, newMeter(ctx, file, tell), ly, size)
	if err != nil {
		return desc, err
	}
	tell(size) // what the store had already was not read
	copied[ly.key()] = layer{desc: desc, diffID: ly.diffID}
	return desc, nil
}

// copyLayer streams a layer of size bytes to in, and checks on the way that it
// unpacks to what the configuration of its image says.
func copyLayer(ctx context.Context, in *diskstore.Ingest, file *meter, ly layer, size int64) (ocispec.Descriptor, error) {
	buffered := bufio.NewReaderSize(file, bufferSize)
	kind, err := sniff(buffered)
	if err != nil {
		return ly.desc, err
	}
	want := wanted(ly, kind, size)
	if want.Digest == ly.diffID {
		desc, err := in.Write(ctx, buffered, want)
		return desc, file.blame(err)
	}
	return copyChecked(ctx, in, buffered, want, check{kind, ly.diffID})
}

// wanted describes what the file of a layer must be. A docker-archive does not
// say; there, one that is not compressed must be the very layer.
func wanted(ly layer, kind compression, size int64) ocispec.Descriptor {
	want := ocispec.Descriptor{MediaType: ly.desc.MediaType, Digest: ly.desc.Digest, Size: size}
	if want.Digest != "" {
		return want
	}
	switch kind {
	case gzipped:
		want.MediaType, want.Size = string(types.DockerLayer), 0
	case zstandard:
		want.MediaType, want.Size = string(dockerZstdLayer), 0
	default:
		want.MediaType, want.Digest = string(types.DockerUncompressedLayer), ly.diffID
	}
	return want
}

// check is what a layer must unpack to.
type check struct {
	kind   compression
	diffID digest.Digest
}

// copyChecked copies r to in, and unpacks it beside to check it.
func copyChecked(ctx context.Context, in *diskstore.Ingest, r io.Reader, want ocispec.Descriptor, must check) (ocispec.Descriptor, error) {
	pr, pw := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := must.run(ctx, pr)
		// The rest is read all the same: that the content is not what its
		// digest says explains more than that it cannot be unpacked.
		_, _ = io.Copy(io.Discard, pr)
		result <- err
	}()
	tee := newMeter(ctx, io.TeeReader(r, pw), func(int64) {})
	desc, err := in.Write(ctx, tee, want)
	if err == nil {
		// What the store has already it may not have read to the end.
		_, err = io.Copy(io.Discard, tee)
	}
	err = tee.blame(err)
	_ = pw.CloseWithError(err)
	if unpacked := <-result; err == nil {
		err = unpacked
	}
	return desc, err
}

// run unpacks r to its end and compares the digest of what comes out. That can
// be much more than r has, so it obeys the context too.
func (c check) run(ctx context.Context, r io.Reader) error {
	unpacked, err := unpack(r, c.kind)
	if err != nil {
		return err
	}
	defer func() { _ = unpacked.Close() }()
	digester := c.diffID.Algorithm().Digester()
	if _, err := io.Copy(digester.Hash(), newMeter(ctx, unpacked, func(int64) {})); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if err := sameDigest(c.diffID, digester.Digest()); err != nil {
		return fmt.Errorf("unpacked content: %w", err)
	}
	return nil
}
