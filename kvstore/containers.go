package kvstore

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/prefix"
	"github.com/jettison-oci/jettison/kv"
)

// Containers keeps the records of containers in one transaction: what keeps
// images busy. It runs nothing.
//
// A container is named by its name, its ID or the beginning of its ID that no
// other has. Names and IDs are never confused: neither may equal one of the
// other sort.
type Containers struct {
	tx     kv.Tx
	images *imagestore.Store
	newID  func() string
	uses   *prefix.Prefix // whether containers use images at all
	now    func() time.Time
}

var _ jettison.ContainerRemover = (*Containers)(nil)

// RemoveOptions configure [Containers.Remove].
type RemoveOptions struct {
	// Force removes a container that runs, or whose record cannot be read.
	Force bool
}

// Containers returns the containers created from the image and those that
// mount it (rule D13), each once, sorted by ID. A damaged record is an error
// of class Internal: what cannot be read might run.
func (c *Containers) Containers(ctx context.Context, image digest.Digest) ([]jettison.Container, error) {
	if none, err := c.uses.Empty(ctx); none || err != nil {
		return nil, err
	}
	ids, err := collect(ctx, c.tx, string(useKey(image, "")))
	if err != nil {
		return nil, err
	}
	users := make([]jettison.Container, 0, len(ids))
	for _, id := range ids {
		container, err := c.read(ctx, id)
		if err != nil {
			return nil, err
		}
		users = append(users, container)
	}
	return users, nil
}

// All yields every container, sorted by ID. A damaged record is yielded as an
// error of class Internal, and the walk goes on; any other error ends it. The
// transaction must not be written to meanwhile.
func (c *Containers) All(ctx context.Context) iter.Seq2[jettison.Container, error] {
	return func(yield func(jettison.Container, error) bool) {
		for entry, err := range c.tx.Scan(ctx, containerKey("")) {
			if err != nil {
				yield(jettison.Container{}, err)
				return
			}
			if !yield(decodeContainer(entry)) {
				return
			}
		}
	}
}

// Get returns the container with this name or ID, or whose ID alone begins so.
// The error is of class NotFound when there is none, and InvalidArgument when
// several fit or nameOrID is blank.
func (c *Containers) Get(ctx context.Context, nameOrID string) (jettison.Container, error) {
	id, err := c.resolve(ctx, nameOrID)
	if err != nil {
		return jettison.Container{}, err
	}
	return c.read(ctx, id)
}

// Add records a container and returns it with its ID, which is made if it has
// none. The error is of class NotFound when its image or one that it mounts is
// not there, Conflict when its ID or its name is taken, and InvalidArgument
// when one of them is not made of letters, digits and "_.-", beginning with a
// letter or digit, or when the container has an owner, which is not kept.
func (c *Containers) Add(ctx context.Context, container jettison.Container) (jettison.Container, error) {
	if container.ID == "" {
		container.ID = c.newID()
	}
	if container.Owner != "" {
		return jettison.Container{}, class.Errorf(class.InvalidArgument, "container of %s: the store keeps those of its engine alone", container.Owner)
	}
	if err := c.checkNames(ctx, container); err != nil {
		return jettison.Container{}, err
	}
	for _, image := range uses(container) {
		if err := c.images.Touch(ctx, image, c.now()); err != nil {
			return jettison.Container{}, err
		}
	}
	if err := c.index(ctx, container); err != nil {
		return jettison.Container{}, err
	}
	return container, c.write(ctx, container)
}

// Start records that the container runs. Starting it twice is no error. Errors
// are those of Get.
func (c *Containers) Start(ctx context.Context, nameOrID string) error {
	container, err := c.Get(ctx, nameOrID)
	if err != nil || container.Running {
		return err
	}
	container.Running = true
	return c.write(ctx, container)
}

// Stop records that the container does not run. Stopping it twice is no error.
// Errors are those of Get.
func (c *Containers) Stop(ctx context.Context, nameOrID string) error {
	container, err := c.Get(ctx, nameOrID)
	if err != nil || !container.Running {
		return err
	}
	container.Running = false
	return c.write(ctx, container)
}

// Remove removes the record of the container. The error is of class Conflict
// when it runs and is not forced; the others are those of Get. A record that
// is damaged goes only by force, by its name or its ID.
func (c *Containers) Remove(ctx context.Context, nameOrID string, opts RemoveOptions) error {
	id, err := c.resolve(ctx, nameOrID)
	if err != nil {
		return err
	}
	container, err := c.read(ctx, id)
	switch {
	case errors.Is(err, class.Internal) && opts.Force:
		return c.removeDamaged(ctx, id)
	case err != nil:
		return err
	case container.Running && !opts.Force:
		return class.Errorf(class.Conflict, "cannot remove container %s: it is running; stop it first or use the force option", nameOrID)
	}
	return c.remove(ctx, keysOf(container))
}

// RemoveContainer removes the record of the container with this very ID, running
// or not, as [jettison.ContainerRemover] says. What is to be stopped and unmounted
// is for the program that runs it.
func (c *Containers) RemoveContainer(ctx context.Context, container jettison.Container) error {
	_, err := c.tx.Get(ctx, containerKey(container.ID))
	if errors.Is(err, kv.ErrNotFound) {
		return class.Errorf(class.NotFound, "No such container: %s", container.ID)
	}
	if err != nil {
		return err
	}
	return c.Remove(ctx, container.ID, RemoveOptions{Force: true})
}

// resolve returns the ID of the container that nameOrID means.
func (c *Containers) resolve(ctx context.Context, nameOrID string) (string, error) {
	if strings.TrimSpace(nameOrID) == "" {
		return "", class.Errorf(class.InvalidArgument, "a container must be named")
	}
	id, err := c.tx.Get(ctx, nameKey(nameOrID))
	if err == nil {
		return string(id), nil
	}
	if !errors.Is(err, kv.ErrNotFound) {
		return "", err
	}
	rest, err := collect(ctx, c.tx, string(containerKey(nameOrID)))
	switch {
	case err != nil:
		return "", err
	case len(rest) == 0:
		return "", class.Errorf(class.NotFound, "No such container: %s", nameOrID)
	case len(rest) == 1 || rest[0] == "": // the full ID sorts before what it begins
		return nameOrID + rest[0], nil
	}
	for i := range rest {
		rest[i] = nameOrID + rest[i]
	}
	return "", class.Errorf(class.InvalidArgument, "container ID prefix %q is ambiguous, it fits: %s", nameOrID, strings.Join(rest, ", "))
}

// checkNames makes sure that ID and name are well formed and free, each among
// the IDs as well as among the names.
func (c *Containers) checkNames(ctx context.Context, container jettison.Container) error {
	for _, name := range []string{container.ID, container.Name} {
		if name == "" {
			continue
		}
		if !wellFormed(name) {
			return class.Errorf(class.InvalidArgument, "invalid container name or ID %q: only [a-zA-Z0-9][a-zA-Z0-9_.-]* is allowed", name)
		}
		for _, key := range [][]byte{containerKey(name), nameKey(name)} {
			switch _, err := c.tx.Get(ctx, key); {
			case err == nil:
				return class.Errorf(class.Conflict, "the container name or ID %q is already in use", name)
			case !errors.Is(err, kv.ErrNotFound):
				return err
			}
		}
	}
	return nil
}

// wellFormed says whether text can be part of a key and of a command line.
func wellFormed(text string) bool {
	for i, r := range text {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && strings.ContainsRune("_.-", r):
		default:
			return false
		}
	}
	return true
}
