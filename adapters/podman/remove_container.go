package podman

import (
	"context"
	"slices"

	"github.com/pkg/errors"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

var _ jettison.ContainerRemover = containerStore{}

// RemoveContainer removes a container: one of Podman itself by
// [Options.RemoveContainer], any other by unmounting it and removing it from the
// store. One of another program that runs is a [*ContainerError], for only its
// owner knows how to stop it.
func (s containerStore) RemoveContainer(ctx context.Context, c jettison.Container) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	record, err := s.record(c.ID)
	if err != nil {
		return err
	}
	if err := s.removeContainer(ctx, c, record); err != nil {
		return err
	}
	s.forgetContainer(record)
	return nil
}

// record returns the container as the store knows it now.
func (s containerStore) record(id string) (*storage.Container, error) {
	known := slices.IndexFunc(s.containers, func(c storage.Container) bool { return c.ID == id })
	if known < 0 {
		return nil, class.Errorf(class.NotFound, "container %s does not exist", id)
	}
	record, err := s.owner.store.Container(id)
	if errors.Is(err, storage.ErrContainerUnknown) {
		s.forgetContainer(&s.containers[known])
	}
	return record, storageError(err)
}

func (s containerStore) removeContainer(ctx context.Context, c jettison.Container, record *storage.Container) error {
	owner := s.owner.layout.owner(*record)
	if owner == "" {
		return s.removePodmans(ctx, c)
	}
	if s.owner.layout.mayRun(*record) {
		return &ContainerError{Container: c, Err: errors.Errorf("it may run, and only %s can stop it", owner)}
	}
	return s.removeFromStore(c)
}

// removePodmans removes a container of Podman itself.
func (s containerStore) removePodmans(ctx context.Context, c jettison.Container) error {
	err := s.owner.removal(ctx, c)
	if errors.Is(err, errNoRecord) { // only the store has one
		return s.removeFromStore(c)
	}
	_, there := s.owner.store.Container(c.ID)
	switch {
	case errors.Is(there, storage.ErrContainerUnknown):
		return nil
	case there != nil:
		return storageError(there)
	case err == nil:
		err = errors.New("it is still there after Podman has removed it")
	}
	return &ContainerError{Container: c, Err: err}
}

// removeFromStore unmounts the container, as often as it is mounted, and removes
// its record and its layer.
func (s containerStore) removeFromStore(c jettison.Container) error {
	store := s.owner.store
	if n, err := store.Mounted(c.ID); err == nil && n > 0 {
		if _, err := store.Unmount(c.ID, true); err != nil {
			return &ContainerError{Container: c, Err: err}
		}
	}
	err := storageError(store.DeleteContainer(c.ID))
	if err == nil || class.Is(err, class.NotFound) {
		return err
	}
	return &ContainerError{Container: c, Err: err}
}

// forgetContainer notes that a container has gone, with its layer.
func (st *state) forgetContainer(gone *storage.Container) {
	id, top := gone.ID, gone.LayerID
	st.containers = slices.DeleteFunc(st.containers, func(c storage.Container) bool { return c.ID == id })
	if l, ok := st.layers.byID[top]; ok {
		st.layers.drop(l)
	}
}
