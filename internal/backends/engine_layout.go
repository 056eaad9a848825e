package backends

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/ocilayout"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openLayout(t testing.TB, st storetest.State) *Opened {
	users := NewMapContainers()
	dir := t.TempDir()
	if err := makeLayout(dir); err != nil {
		t.Fatalf("make the layout: %v", err)
	}
	layout, err := ocilayout.Open(t.Context(), dir, &ocilayout.Options{Containers: users})
	if err != nil {
		t.Fatalf("open the layout: %v", err)
	}
	return New(t, layout, &layoutEngine{layout: layout, users: users}, st)
}

// makeLayout makes an empty layout.
func makeLayout(dir string) error {
	return writeFiles(map[string][]byte{
		filepath.Join(dir, ocispec.ImageLayoutFile): []byte(`{"imageLayoutVersion":"1.0.0"}`),
		filepath.Join(dir, ocispec.ImageIndexFile):  []byte(`{"schemaVersion":2,"manifests":[]}`),
	})
}

func writeFiles(files map[string][]byte) error {
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return class.Wrap(class.Unavailable, err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return class.Wrap(class.Unavailable, err)
		}
	}
	return nil
}

// LayoutManifest is the manifest that a layout keeps for an image: its own, if
// it has one.
func LayoutManifest(img storetest.Image) []byte {
	if img.Manifest != nil {
		return img.Manifest
	}
	layers := img.LayerDescriptors()
	if layers == nil {
		layers = []ocispec.Descriptor{}
	}
	data, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    img.ConfigDescriptor(),
		Layers:    layers,
	})
	if err != nil {
		panic("backends: encode a manifest: " + err.Error()) // it has only fields that JSON can express
	}
	return data
}

// layoutEngine changes a layout. Its containers are in a map; what needs both
// runs as an update, so that no deletion comes in between.
type layoutEngine struct {
	layout *ocilayout.Layout
	users  *MapContainers
}

var _ TestEngine = (*layoutEngine)(nil)

func (e *layoutEngine) Create(ctx context.Context, img storetest.Image) error {
	return e.CreateAll(ctx, []storetest.Image{img})
}

func (e *layoutEngine) CreateAll(ctx context.Context, images []storetest.Image) error {
	return e.layout.Edit(ctx, func(tx *ocilayout.Tx) error {
		for _, img := range images {
			if err := e.create(ctx, tx, img); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *layoutEngine) create(ctx context.Context, tx *ocilayout.Tx, img storetest.Image) error {
	root, mediaType := img.Index, ocispec.MediaTypeImageIndex
	if root == nil {
		root, mediaType = LayoutManifest(img), ocispec.MediaTypeImageManifest
	}
	if err := e.write(img); err != nil {
		return err
	}
	_, err := tx.Add(ctx, ocispec.Descriptor{
		MediaType: mediaType,
		Digest:    digest.FromBytes(root),
		Size:      int64(len(root)),
	})
	return err
}

// write writes the blobs of an image, and those of what it lists.
func (e *layoutEngine) write(img storetest.Image) error {
	blobs := slices.Clip(img.Layers)
	switch {
	case img.Index != nil:
		blobs = append(blobs, img.Index)
	case img.Config != nil:
		blobs = append(blobs, LayoutManifest(img), img.Config)
	default: // an artifact, whose configuration is empty
		blobs = append(blobs, LayoutManifest(img), ocispec.DescriptorEmptyJSON.Data)
	}
	files := make(map[string][]byte, len(blobs))
	for _, blob := range blobs {
		files[e.blob(digest.FromBytes(blob))] = blob
	}
	if err := writeFiles(files); err != nil {
		return err
	}
	for _, part := range img.Images {
		if err := e.write(part); err != nil {
			return err
		}
	}
	return nil
}

func (e *layoutEngine) blob(content digest.Digest) string {
	return filepath.Join(e.layout.Dir(), ocispec.ImageBlobsDir, content.Algorithm().String(), content.Encoded())
}

func (e *layoutEngine) Tag(ctx context.Context, name string, id digest.Digest, opts refstore.AddOptions) error {
	ref, err := parse(name)
	if err != nil {
		return err
	}
	return e.layout.Edit(ctx, func(tx *ocilayout.Tx) error { return tx.Name(ctx, id, ref, opts) })
}

func (e *layoutEngine) AddContainer(ctx context.Context, c jettison.Container) error {
	return e.layout.Update(ctx, func(stores jettison.Stores) error {
		for _, image := range append(slices.Clone(c.Mounts), c.Image) {
			if _, err := stores.Images.Get(ctx, image); err != nil && image != "" {
				return err
			}
		}
		e.users.Set(c)
		return nil
	})
}

func (e *layoutEngine) Start(ctx context.Context, container string) error {
	return e.change(ctx, container, func(c *jettison.Container) { c.Running = true })
}

func (e *layoutEngine) Stop(ctx context.Context, container string) error {
	return e.change(ctx, container, func(c *jettison.Container) { c.Running = false })
}

func (e *layoutEngine) change(ctx context.Context, container string, fn func(*jettison.Container)) error {
	return e.layout.Update(ctx, func(jettison.Stores) error { return e.users.change(container, fn) })
}

func (e *layoutEngine) RemoveContainer(ctx context.Context, container string) error {
	return e.layout.Update(ctx, func(jettison.Stores) error {
		e.users.Remove(container)
		return nil
	})
}

func (e *layoutEngine) Name(ctx context.Context, name string, id digest.Digest) error {
	return e.Tag(ctx, name, id, refstore.AddOptions{})
}

// damage alters the configuration of an image.
func (e *layoutEngine) Damage(ctx context.Context, id digest.Digest) error {
	return e.layout.Update(ctx, func(stores jettison.Stores) error {
		if _, err := stores.Images.Get(ctx, id); err != nil {
			return err
		}
		path := e.blob(id)
		data, err := os.ReadFile(path)
		if err != nil {
			return class.Wrap(class.Unavailable, err)
		}
		return writeFiles(map[string][]byte{path: append([]byte("damaged"), data...)})
	})
}

// contents lists all content, sorted by digest.
func (e *layoutEngine) Contents(ctx context.Context) ([]imagestore.Content, error) {
	found := make(map[digest.Digest]imagestore.Content)
	note := func(all []imagestore.Content) {
		for _, c := range all {
			found[c.Digest] = c
		}
	}
	err := e.layout.View(ctx, func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(ctx) {
			if err != nil {
				continue // it says nothing of its content
			}
			note(img.Content)
			for _, chain := range img.Chains() {
				if err := noteLayers(ctx, stores.Images, chain, note); err != nil {
					return err
				}
			}
		}
		return nil
	})
	var all []imagestore.Content
	for _, c := range found {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b imagestore.Content) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	return all, err
}

// noteLayers notes the content of a layer and of those below.
func noteLayers(ctx context.Context, images jettison.ImageStore, chain digest.Digest, note func([]imagestore.Content)) error {
	for chain != "" {
		layer, err := images.Layer(ctx, chain)
		if err != nil {
			return err
		}
		note(layer.Content)
		chain = layer.Parent
	}
	return nil
}

func (e *layoutEngine) Document(_ context.Context, index digest.Digest) ([]byte, error) {
	data, err := os.ReadFile(e.blob(index))
	return data, class.Wrap(class.Unavailable, err)
}

func (e *layoutEngine) Containers(context.Context) ([]jettison.Container, error) {
	return e.users.all(), nil
}

// reopen does nothing: leases are in memory, and a layout has no state beside
// its files, which are read anew each time.
func (e *layoutEngine) Reopen(context.Context) error { return nil }

// problems are none that a dump does not show.
func (e *layoutEngine) Problems(context.Context) ([]string, error) { return nil, nil }
