package compare

import (
	"cmp"
	"slices"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/container"
	"github.com/docker/docker/image"
	volumemounts "github.com/docker/docker/volume/mounts"

	"github.com/jettison-oci/jettison/conflict"
)

// Containers is a container store for Docker's image service. Docker's own
// picks the first match in the random order of a map; this one keeps an order:
// running ones first, then by ID. It is the choice that rule D9 makes.
type Containers struct {
	// Asked, if set, is called before each search.
	Asked func()

	list   []*container.Container
	random container.Store
}

// NewContainers returns a store with these containers.
func NewContainers(all []conflict.Container) *Containers {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b conflict.Container) int {
		if a.Running != b.Running {
			if a.Running {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	c := &Containers{}
	for _, record := range sorted {
		c.Add(record)
	}
	return c
}

// Add appends a container.
func (c *Containers) Add(record conflict.Container) {
	c.list = append(c.list, dockerContainer(record))
}

// Shuffle moves the containers to Docker's own store, and searches that from
// now on.
func (c *Containers) Shuffle(store container.Store) {
	for _, ctr := range c.list {
		store.Add(ctr.ID, ctr)
	}
	c.random = store
}

// First returns the first container that the filter accepts.
func (c *Containers) First(accept container.StoreFilter) *container.Container {
	if c.Asked != nil {
		c.Asked()
	}
	if c.random != nil {
		return c.random.First(accept)
	}
	for _, ctr := range c.list {
		if accept(ctr) {
			return ctr
		}
	}
	return nil
}

// List returns all containers.
func (c *Containers) List() []*container.Container { return c.list }

// Get returns the container with this ID, or nil.
func (c *Containers) Get(id string) *container.Container {
	return c.First(func(ctr *container.Container) bool { return ctr.ID == id })
}

// dockerContainer is Docker's form of a container.
func dockerContainer(record conflict.Container) *container.Container {
	state := container.NewState()
	state.Running = record.Running
	ctr := &container.Container{
		State:       state,
		ID:          record.ID,
		ImageID:     image.ID(record.Image),
		MountPoints: make(map[string]*volumemounts.MountPoint),
	}
	for _, id := range record.Mounts {
		target := "/mnt/" + id.Encoded()
		ctr.MountPoints[target] = &volumemounts.MountPoint{
			Type:        mount.TypeImage,
			Destination: target,
			Spec:        mount.Mount{Type: mount.TypeImage, Source: id.String(), Target: target},
		}
	}
	return ctr
}
