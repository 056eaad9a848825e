package podman_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/storetest"
)

// kind is the store as a kind of backend for the tests that all backends have.
func kind() backends.Backend {
	return backends.Backend{
		Name: "podman",
		Open: func(t testing.TB, st storetest.State) *backends.Opened {
			e := &engine{fixture: newFixture(t), byChain: make(map[digest.Digest]string)}
			e.backend = e.fixture.backend(&podman.Options{
				ShortNames: &podman.ShortNames{},
				Logger:     e.log.logger(),
				RemoveContainer: func(_ context.Context, c jettison.Container) error {
					return e.DeleteContainer(c.ID) // Podman would do more
				},
			})
			return backends.New(t, e.backend, e, st)
		},
		Capabilities: backends.Capabilities{
			Parents: true, Durable: true, RemovesContainers: true, Binding: true, Lists: true, Documents: true,
			NamedDeletes: true, ShortNames: true,
			Digest: func(img storetest.Image) digest.Digest { return digest.FromBytes(backends.LayoutManifest(img)) },
		},
	}
}

// An engine changes a store as Podman does. It makes the images of the tests of
// all backends: they have the IDs and the digests of layers that those expect,
// though not the content that would have them.
type engine struct {
	*fixture
	backend jettison.Backend
	byChain map[digest.Digest]string // storage IDs of layers
	log     logged
}

var _ backends.TestEngine = (*engine)(nil)

func (e *engine) CreateAll(ctx context.Context, images []storetest.Image) error {
	for _, img := range images {
		if err := e.Create(ctx, img); err != nil {
			return err
		}
	}
	return nil
}

// Create makes an image. Its history is made so that Podman, which records no
// parents, takes the one for its parent that it is to have, and no other.
func (e *engine) Create(_ context.Context, img storetest.Image) error {
	var config ocispec.Image
	if err := json.Unmarshal(img.Config, &config); err != nil {
		return class.Wrap(class.InvalidArgument, err)
	}
	top := e.makeLayers(config.RootFS.DiffIDs)
	config.History = nil
	if img.Parent != "" {
		var err error
		if config.History, err = e.historyOf(img.Parent, top); err != nil {
			return err
		}
	}
	config.History = append(config.History, ocispec.History{CreatedBy: img.ID().String()})
	data := e.json(config)
	if e.Exists(img.ID().Encoded()) {
		if img.Parent == "" {
			return nil
		}
		return class.Wrap(class.Internal, e.SetImageBigData(img.ID().Encoded(), img.ID().String(), data, nil))
	}
	_, err := e.CreateImage(img.ID().Encoded(), nil, top, "", &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
		{Key: img.ID().String(), Data: data},
		{Key: storage.ImageDigestBigDataKey, Data: backends.LayoutManifest(img)},
	}})
	return class.Wrap(class.Internal, err)
}

// historyOf returns the history of the parent of an image with this topmost layer.
func (e *engine) historyOf(parent digest.Digest, top string) ([]ocispec.History, error) {
	img, err := e.Image(parent.Encoded())
	if err != nil {
		return nil, class.Wrap(class.NotFound, err)
	}
	if img.TopLayer != top {
		l, err := e.Layer(top)
		if err != nil {
			return nil, class.Wrap(class.InvalidArgument, err)
		}
		if l.Parent != img.TopLayer {
			return nil, class.Errorf(class.InvalidArgument, "Podman takes no image for a parent that is more than one layer below")
		}
	}
	data, err := e.ImageBigData(img.ID, parent.String())
	if err != nil {
		return nil, class.Wrap(class.Internal, err)
	}
	var config ocispec.Image
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, class.Wrap(class.Internal, err)
	}
	return config.History, nil
}

// makeLayers makes the layers with these digests, base to top, as far as they are
// not there, and returns the storage ID of the topmost.
func (e *engine) makeLayers(diffIDs []digest.Digest) string {
	below := ""
	for i, diffID := range diffIDs {
		chain := identity.ChainID(slices.Clone(diffIDs[:i+1]))
		if id, ok := e.byChain[chain]; ok && e.Exists(id) {
			below = id
			continue
		}
		below = e.newLayer(below, diffID, 100)
		e.byChain[chain] = below
	}
	return below
}
