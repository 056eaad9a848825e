package kvstore

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/record"
	"github.com/jettison-oci/jettison/kv"
)

const (
	containerPrefix = "container/"
	namePrefix      = "name/"
	usePrefix       = "use/"
)

func containerKey(id string) []byte { return []byte(containerPrefix + id) }

func nameKey(name string) []byte { return []byte(namePrefix + name) }

// useKey is the key that says that the container uses the image; without an
// ID, the prefix of those keys of the image.
func useKey(image digest.Digest, id string) []byte {
	return []byte(usePrefix + image.String() + "/" + id)
}

// uses returns the images that the container uses, each once.
func uses(container jettison.Container) []digest.Digest {
	images := slices.Clone(container.Mounts)
	if container.Image != "" {
		images = append(images, container.Image)
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// keysOf returns every key that the container has.
func keysOf(container jettison.Container) [][]byte {
	keys := [][]byte{containerKey(container.ID)}
	if container.Name != "" {
		keys = append(keys, nameKey(container.Name))
	}
	for _, image := range uses(container) {
		keys = append(keys, useKey(image, container.ID))
	}
	return keys
}

// read returns the container with this very ID. A record that an index names
// must be there, so that it is missing is damage.
func (c *Containers) read(ctx context.Context, id string) (jettison.Container, error) {
	key := containerKey(id)
	value, err := c.tx.Get(ctx, key)
	if errors.Is(err, kv.ErrNotFound) {
		return jettison.Container{}, record.Damaged(key, "missing")
	}
	if err != nil {
		return jettison.Container{}, err
	}
	return decodeContainer(kv.Entry{Key: key, Value: value})
}

// write stores the record of the container.
func (c *Containers) write(ctx context.Context, container jettison.Container) error {
	key := containerKey(container.ID)
	return c.tx.Put(ctx, key, encodeContainer(key, container))
}

// index stores what the container is found by.
func (c *Containers) index(ctx context.Context, container jettison.Container) error {
	if container.Name != "" {
		if err := c.tx.Put(ctx, nameKey(container.Name), []byte(container.ID)); err != nil {
			return err
		}
	}
	for _, image := range uses(container) {
		c.uses.Put()
		if err := c.tx.Put(ctx, useKey(image, container.ID), nil); err != nil {
			return err
		}
	}
	return nil
}

// remove removes keys.
func (c *Containers) remove(ctx context.Context, keys [][]byte) error {
	for _, key := range keys {
		if err := c.tx.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// removeDamaged removes a container whose record does not tell its name and
// its images, which are found by looking at all.
func (c *Containers) removeDamaged(ctx context.Context, id string) error {
	keys := [][]byte{containerKey(id)}
	for entry, err := range c.tx.Scan(ctx, []byte(namePrefix)) {
		if err != nil {
			return err
		}
		if string(entry.Value) == id {
			keys = append(keys, bytes.Clone(entry.Key))
		}
	}
	for entry, err := range c.tx.Scan(ctx, []byte(usePrefix)) {
		if err != nil {
			return err
		}
		if strings.HasSuffix(string(entry.Key), "/"+id) {
			keys = append(keys, bytes.Clone(entry.Key))
		}
	}
	return c.remove(ctx, keys)
}

func encodeContainer(key []byte, container jettison.Container) []byte {
	w := record.NewWriter()
	w.String(container.Name)
	w.Digest(container.Image)
	w.Count(len(container.Mounts))
	for _, image := range container.Mounts {
		w.Digest(image)
	}
	w.Uint(running(container))
	return w.Seal(key)
}

func decodeContainer(entry kv.Entry) (jettison.Container, error) {
	r := record.Read(entry.Key, entry.Value)
	container := jettison.Container{
		ID:    strings.TrimPrefix(string(entry.Key), containerPrefix),
		Name:  r.String(),
		Image: r.Digest(),
	}
	for range r.Count() {
		container.Mounts = append(container.Mounts, r.Digest())
	}
	container.Running = r.Uint() != 0
	if err := r.Close(); err != nil {
		return jettison.Container{}, err
	}
	return container, nil
}

func running(container jettison.Container) uint64 {
	if container.Running {
		return 1
	}
	return 0
}
