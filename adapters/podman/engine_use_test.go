package podman_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

func (e *engine) Tag(_ context.Context, name string, id digest.Digest, opts refstore.AddOptions) error {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return class.Wrap(class.InvalidArgument, err)
	}
	full := reference.TagNameOnly(ref).String()
	if _, err := e.Image(id.Encoded()); err != nil {
		return class.Wrap(class.NotFound, err)
	}
	if other, err := e.Image(full); err == nil && other.ID != id.Encoded() && !opts.Force {
		return class.Errorf(class.Conflict, "%s names image %s", full, other.ID)
	}
	return class.Wrap(class.Internal, e.AddNames(id.Encoded(), []string{full}))
}

func (e *engine) Name(ctx context.Context, name string, id digest.Digest) error {
	return e.Tag(ctx, name, id, refstore.AddOptions{})
}

// AddContainer makes a container as Podman does, or, if it has an owner, as Buildah
// does.
func (e *engine) AddContainer(_ context.Context, c jettison.Container) error {
	var names []string
	if c.Name != "" {
		names = []string{c.Name}
	}
	metadata := fmt.Sprintf(`{"image-name":"","image-id":%q,"name":%q,"created-at":1}`, c.Image.String(), c.Name)
	if c.Owner != "" {
		metadata = ""
	}
	image := ""
	if c.Image != "" {
		image = c.Image.Encoded()
	}
	if _, err := e.CreateContainer(c.ID, names, image, "", metadata, &storage.ContainerOptions{}); err != nil {
		return class.Wrap(class.NotFound, err)
	}
	if c.Owner == "buildah" {
		return class.Wrap(class.Internal, e.SetContainerDirectoryFile(c.ID, "buildah.json", []byte("{}")))
	}
	if c.Running {
		return e.Start(context.Background(), c.ID)
	}
	return nil
}

// pidFile is where Podman notes the process of a container.
func (e *engine) pidFile(id string) string {
	return filepath.Join(e.runRoot, "vfs-containers", id, "userdata", "pidfile")
}

// Start says that this very process is that of the container.
func (e *engine) Start(_ context.Context, id string) error {
	path := e.pidFile(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return class.Wrap(class.Unavailable, err)
	}
	return class.Wrap(class.Unavailable, os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o600))
}

func (e *engine) Stop(_ context.Context, id string) error {
	return class.Wrap(class.Unavailable, os.Remove(e.pidFile(id)))
}

func (e *engine) RemoveContainer(_ context.Context, id string) error {
	return class.Wrap(class.NotFound, e.DeleteContainer(id))
}

// Damage takes the documents of an image away.
func (e *engine) Damage(_ context.Context, id digest.Digest) error {
	return class.Wrap(class.Unavailable, os.RemoveAll(filepath.Join(e.root, "vfs-images", id.Encoded())))
}

// Reopen does nothing: each look at the store asks whether its files are new.
func (e *engine) Reopen(context.Context) error { return nil }

// Contents lists the content of images and of their layers.
func (e *engine) Contents(ctx context.Context) ([]imagestore.Content, error) {
	found := make(map[digest.Digest]imagestore.Content)
	err := e.backend.View(ctx, func(stores jettison.Stores) error {
		for img, err := range stores.Images.All(ctx) {
			if err != nil {
				return err
			}
			for _, c := range img.Content {
				found[c.Digest] = c
			}
			for chain := img.Layer; chain != ""; {
				layer, err := stores.Images.Layer(ctx, chain)
				if err != nil {
					return err
				}
				for _, c := range layer.Content {
					found[c.Digest] = c
				}
				chain = layer.Parent
			}
		}
		return nil
	})
	var all []imagestore.Content
	for _, c := range found {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b imagestore.Content) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return all, err
}

// Containers lists all containers of the store.
func (e *engine) Containers(context.Context) ([]jettison.Container, error) {
	records, err := e.Store.Containers()
	if err != nil {
		return nil, class.Wrap(class.Internal, err)
	}
	var all []jettison.Container
	for _, record := range records {
		c := jettison.Container{ID: record.ID, Running: exists(e.pidFile(record.ID))}
		if record.ImageID != "" {
			c.Image = digest.NewDigestFromEncoded(digest.SHA256, record.ImageID)
		}
		if len(record.Names) > 0 {
			c.Name = record.Names[0]
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b jettison.Container) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Problems finds layers that nothing holds, images without the layers they name,
// and directories of either that have no record.
func (e *engine) Problems(context.Context) ([]string, error) { return e.problems(), nil }

// Document is never asked for: the store takes no platforms out of lists.
func (e *engine) Document(_ context.Context, index digest.Digest) ([]byte, error) {
	return nil, class.Errorf(class.NotFound, "%s is no index", index)
}
