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
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// flatManifest and flatVersion are the files that make a directory one of
	// skopeo's dir: transport, beside the blobs, which are named by their hex
	// digits.
	flatManifest = "manifest.json"
	flatVersion  = "version"
	// flatHeader begins the version file; minor versions only add to it.
	flatHeader = "Directory Transport Version: 1."
)

// flat shows a directory of skopeo's dir: transport as the OCI image layout that
// it would be.
type flat struct {
	source
	index    []byte
	manifest digest.Digest
}

// readFlat finds the image of a directory as skopeo's dir: transport has it.
func (l *loader) readFlat(ctx context.Context) error {
	version, err := l.readFile(ctx, flatVersion, maxManifest, "")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(version), flatHeader) {
		return l.wrap(flatVersion, fmt.Errorf("is not the version of a directory that is supported: it does not begin with %q", flatHeader))
	}
	data, err := l.readFile(ctx, flatManifest, maxManifest, "")
	if err != nil {
		return err
	}
	var doc document
	if err := l.decode(flatManifest, aManifest, data, &doc); err != nil {
		return err
	}
	f := &flat{source: l.src, manifest: digest.FromBytes(data)}
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		Manifests: []ocispec.Descriptor{describe(f.manifest, doc, data)},
	}
	if f.index, err = json.Marshal(index); err != nil {
		return l.wrap(flatManifest, err)
	}
	l.src = f
	return l.readLayout(ctx)
}

// open opens a file of the layout. An error says which file of the directory
// was looked for.
func (f *flat) open(name string) (io.ReadCloser, int64, error) {
	switch path.Clean(name) {
	case ocispec.ImageLayoutFile:
		return inMemory([]byte(layoutFile))
	case ocispec.ImageIndexFile:
		return inMemory(f.index)
	case blobName(f.manifest):
		name = flatManifest
	case flatManifest: // it is of no docker-archive
		return nil, 0, fs.ErrNotExist
	}
	base := path.Base(name)
	r, size, err := f.source.open(base)
	if errors.Is(err, fs.ErrNotExist) { // a manifest of an index
		if r, size, other := f.source.open(base + ".manifest.json"); other == nil {
			return r, size, nil
		}
	}
	if err != nil {
		err = fmt.Errorf("file %s: %w", base, err)
	}
	return r, size, err
}

// inMemory is the content of a file that is not on disk.
func inMemory(data []byte) (io.ReadCloser, int64, error) {
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}
