package containerd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/jettison-oci/jettison/adapters/containerd"
)

// A filler makes many images in a namespace, which the context names.
type filler struct {
	containerd.Services
	snapshotter string
}

// benchName is the name of the i-th image.
func benchName(i int) string { return fmt.Sprintf("docker.io/library/app:%d", i) }

// fill makes images app:0 to app:n-1. Each has a manifest and a configuration of
// its own; all have the same two layers, which are unpacked.
func (f filler) fill(ctx context.Context, n int) error {
	lease, err := f.Leases.Create(ctx, leases.WithRandomID())
	if err != nil {
		return err
	}
	ctx = leases.WithLease(ctx, lease.ID)
	var layers []ocispec.Descriptor
	var diffs []digest.Digest
	for _, name := range []string{"base", "top"} {
		layer, err := f.write(ctx, ocispec.MediaTypeImageLayer, bytes.Repeat([]byte(name), 1024), nil)
		if err != nil {
			return err
		}
		layers, diffs = append(layers, layer), append(diffs, layer.Digest)
	}
	if err := f.unpack(ctx, diffs); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(16) // most of the time is waiting for the disk
	for i := range n {
		group.Go(func() error {
			target, err := f.image(ctx, fmt.Sprint(i), layers, diffs)
			if err != nil {
				return err
			}
			_, err = f.Images.Create(ctx, images.Image{Name: benchName(i), Target: target})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return f.Leases.Delete(ctx, lease, leases.SynchronousDelete)
}

// unpack makes the snapshots of layers.
func (f filler) unpack(ctx context.Context, diffs []digest.Digest) error {
	parent := ""
	for i := range diffs {
		chain := identity.ChainID(diffs[:i+1]).String()
		label := snapshots.WithLabels(map[string]string{"containerd.io/snapshot.ref": chain})
		if _, err := f.Snapshotter(f.snapshotter).Prepare(ctx, "fill "+chain, parent, label); err != nil {
			return err
		}
		if err := f.Snapshotter(f.snapshotter).Commit(ctx, chain, "fill "+chain); err != nil {
			return err
		}
		parent = chain
	}
	return nil
}

// image writes the manifest and the configuration of an image.
func (f filler) image(ctx context.Context, name string, layers []ocispec.Descriptor, diffs []digest.Digest) (ocispec.Descriptor, error) {
	config, err := f.object(ctx, ocispec.MediaTypeImageConfig, ocispec.Image{
		Author:   name,
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: diffs},
	}, map[string]string{"containerd.io/gc.ref.snapshot." + f.snapshotter: identity.ChainID(diffs).String()})
	if err != nil {
		return config, err
	}
	labels := map[string]string{"containerd.io/gc.ref.content.config": config.Digest.String()}
	for i, layer := range layers {
		labels[fmt.Sprintf("containerd.io/gc.ref.content.l.%d", i)] = layer.Digest.String()
	}
	return f.object(ctx, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers,
	}, labels)
}

func (f filler) object(ctx context.Context, mediaType string, object any, labels map[string]string) (ocispec.Descriptor, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return f.write(ctx, mediaType, data, labels)
}

func (f filler) write(ctx context.Context, mediaType string, data []byte, labels map[string]string) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	err := content.WriteBlob(ctx, f.Content, desc.Digest.String(), bytes.NewReader(data), desc, content.WithLabels(labels))
	if errdefs.IsAlreadyExists(err) {
		err = nil
	}
	return desc, err
}
