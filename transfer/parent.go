package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// checkParents drops every parent link that does not hold: a parent that is
// nowhere to be found, or from which the image was evidently not built.
func (l *loader) checkParents(ctx context.Context) error {
	for _, img := range l.images {
		if img.parent == "" {
			continue
		}
		parent, err := l.findConfig(ctx, img.parent)
		if err != nil {
			return err
		}
		switch {
		case parent == nil && l.trusted: // it was not asked for
			img.parent = ""
		case parent == nil:
			l.skip(img.id, img.parent.String(), "the parent is neither in the archive nor in the store")
			img.parent = ""
		case !l.trusted && !extends(img.config, *parent):
			l.skip(img.id, img.parent.String(), "the image was not built from what is said to be its parent")
			img.parent = ""
		}
	}
	return nil
}

// findConfig returns the configuration of an image that is in the archive or in
// the store, or nil.
func (l *loader) findConfig(ctx context.Context, id digest.Digest) (*ocispec.Image, error) {
	for _, img := range l.images {
		if img.id == id {
			return &img.config, nil
		}
	}
	if id.Validate() != nil {
		return nil, nil
	}
	blob, err := l.dst.Blob(ctx, id)
	if errors.Is(err, class.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	data, err := io.ReadAll(io.LimitReader(blob, maxConfig))
	if err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	config := new(ocispec.Image)
	if digest.FromBytes(data) != id || json.Unmarshal(data, config) != nil {
		return nil, nil
	}
	return config, nil
}

// extends reports whether child was built on parent: its history goes on where
// that of the parent ends, and so do its layers. An image without a history
// extends none.
func extends(child, parent ocispec.Image) bool {
	history, layers := len(parent.History), len(parent.RootFS.DiffIDs)
	return len(child.History) > history &&
		len(child.RootFS.DiffIDs) >= layers &&
		slices.EqualFunc(child.History[:history], parent.History, sameStep) &&
		slices.Equal(child.RootFS.DiffIDs[:layers], parent.RootFS.DiffIDs)
}

func sameStep(a, b ocispec.History) bool {
	return a.CreatedBy == b.CreatedBy && a.Author == b.Author && a.Comment == b.Comment &&
		a.EmptyLayer == b.EmptyLayer && sameTime(a.Created, b.Created)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
