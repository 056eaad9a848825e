package transfer

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A dockerEntry is an image in the manifest.json of a docker-archive.
type dockerEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
	Parent   digest.Digest `json:",omitempty"`
}

// writeDocker writes a docker-archive. Its index comes first, so that readers
// of a stream know at once what is in it.
func (s *saver) writeDocker(ctx context.Context, to sink) error {
	entries := make([]dockerEntry, len(s.images))
	for i, img := range s.images {
		entries[i] = s.dockerEntry(img)
	}
	if err := s.writeJSON(to, dockerManifest, entries); err != nil {
		return err
	}
	for _, img := range s.images {
		if err := s.writeDockerImage(ctx, to, img.single[0]); err != nil {
			return err
		}
	}
	return nil
}

func (s *saver) dockerEntry(img *stored) dockerEntry {
	one := img.single[0]
	e := dockerEntry{Config: configName(one.config), Layers: make([]string, len(one.layers))}
	for _, name := range img.names.all {
		e.RepoTags = append(e.RepoTags, reference.FamiliarString(name))
	}
	for i, ly := range one.layers {
		e.Layers[i] = layerName(ly)
	}
	if slices.ContainsFunc(s.images, func(other *stored) bool { return other.id == img.parent }) {
		e.Parent = img.parent
	}
	return e
}

// The names of files in a docker-archive: those that skopeo and podman give.
func configName(desc ocispec.Descriptor) string { return desc.Digest.Encoded() + ".json" }
func layerName(ly layer) string                 { return ly.diffID.Encoded() + ".tar" }

func (s *saver) writeDockerImage(ctx context.Context, to sink, one single) error {
	if name := configName(one.config); !s.written[name] {
		data, err := readAll(ctx, s.src, one.config.Digest, maxConfig)
		if err != nil {
			return err
		}
		if err := s.file(to, name, int64(len(data)), bytes.NewReader(data)); err != nil {
			return err
		}
	}
	for _, ly := range one.layers {
		if s.written[layerName(ly)] {
			continue
		}
		if err := s.writeUnpacked(ctx, to, ly); err != nil {
			return err
		}
	}
	return nil
}

// writeUnpacked writes a layer as it unpacks. How long that is a tar archive
// says first, so a compressed layer is unpacked twice: once to count its bytes
// and to be sure of them, once to write them.
func (s *saver) writeUnpacked(ctx context.Context, to sink, ly layer) error {
	size := ly.desc.Size
	if ly.desc.Digest != ly.diffID {
		count := &counter{digester: ly.diffID.Algorithm().Digester()}
		if err := s.unpacked(ctx, ly, func(int64) {}, count.from); err != nil {
			return err
		}
		if err := sameDigest(ly.diffID, count.digester.Digest()); err != nil {
			return class.Errorf(class.Internal, "layer %s: unpacked %w", ly.desc.Digest, err)
		}
		size = count.bytes
	}
	tell := LoadOptions{Progress: s.opts.Progress}.progress(ly.diffID.String(), ly.desc.Size)
	return s.unpacked(ctx, ly, tell, func(r io.Reader) error { return s.file(to, layerName(ly), size, r) })
}

// unpacked gives fn what the layer unpacks to.
func (s *saver) unpacked(ctx context.Context, ly layer, tell func(int64), fn func(io.Reader) error) error {
	r, err := s.src.Blob(ctx, ly.desc.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	from := newMeter(ctx, r, tell)
	buffered := bufio.NewReaderSize(from, bufferSize)
	kind, err := sniff(buffered)
	if err != nil {
		return err
	}
	if ly.desc.Digest == ly.diffID {
		kind = plain // a layer may hold anything
	}
	content, err := unpack(buffered, kind)
	if err != nil {
		return ly.damaged(from, buffered, err)
	}
	defer func() { _ = content.Close() }()
	inner := newMeter(ctx, content, func(int64) {})
	err = fn(inner)
	switch {
	case err == nil:
		_, err = io.Copy(io.Discard, buffered) // its last bytes are what verifies it
	case inner.err != nil:
		err = ly.damaged(from, buffered, err)
	}
	return err
}

// damaged is why a layer cannot be unpacked: because it is not what its digest
// says, or could not be read, if either shows when it is read to its end.
func (ly layer) damaged(from *meter, rest io.Reader, err error) error {
	if from.err == nil {
		_, _ = io.Copy(io.Discard, rest) // from keeps the error
	}
	if from.err != nil {
		return from.err
	}
	return class.Errorf(class.Internal, "layer %s cannot be unpacked: %w", ly.desc.Digest, err)
}

// A counter counts bytes and computes their digest.
type counter struct {
	digester digest.Digester
	bytes    int64
}

func (c *counter) from(r io.Reader) (err error) {
	c.bytes, err = io.Copy(c.digester.Hash(), r)
	return err
}

// kindOf tells from its first bytes how content of a source is compressed.
func kindOf(ctx context.Context, src Source, desc ocispec.Descriptor) (compression, error) {
	r, err := src.Blob(ctx, desc.Digest)
	if err != nil {
		return plain, err
	}
	defer func() { _ = r.Close() }()
	return sniff(bufio.NewReader(r))
}
