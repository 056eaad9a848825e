package podman

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
)

// containerStore is the [jettison.ContainerLister] of a state.
type containerStore struct{ *state }

var _ jettison.ContainerLister = containerStore{}

// Containers returns the containers that were created from the image, whoever
// keeps them. Which containers mount it the store does not know: see
// [conflict.LeaseMount].
func (s containerStore) Containers(ctx context.Context, id digest.Digest) ([]jettison.Container, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, ok := s.byID[id]
	if !ok {
		return nil, nil
	}
	var found []jettison.Container
	for _, c := range s.containers {
		if c.ImageID == img.ID {
			found = append(found, s.container(c, id))
		}
	}
	return found, nil
}

func (st *state) container(c storage.Container, image digest.Digest) jettison.Container {
	made := jettison.Container{ID: c.ID, Image: image, Owner: st.owner.layout.owner(c), Running: st.owner.layout.runs(c), Holds: true}
	if len(c.Names) > 0 {
		made.Name = c.Names[0]
	}
	return made
}

// Owners of containers that are not Podman's own.
const (
	ownerBuildah = "buildah"
	ownerCRIO    = "cri-o"
	ownerUnknown = "another program"
)

// owner is the program that keeps the container; empty for Podman. The store does
// not say it. Buildah keeps a file of its own beside the container; Podman and
// CRI-O write what the container is into its record, each with its own keys.
func (l layout) owner(c storage.Container) string {
	if exists(filepath.Join(l.containerDir(l.root, c.ID), "buildah.json")) {
		return ownerBuildah
	}
	var keys map[string]json.RawMessage
	if json.Unmarshal([]byte(c.Metadata), &keys) != nil {
		return ownerUnknown
	}
	switch {
	case keys["pod-id"] != nil || keys["pod-name"] != nil:
		return ownerCRIO
	case keys["image-name"] != nil && keys["created-at"] != nil:
		return ""
	default:
		return ownerUnknown
	}
}

// containerDir is where a program keeps files for the container: below the root,
// or below the run root.
func (l layout) containerDir(root, id string) string {
	return filepath.Join(l.kind(root, "containers"), id, "userdata")
}

// runs reports whether the process of the container lives, which the runtime has noted
// beside it; a container that is paused has one, too. The note stays when the process
// ends; another that has got its number since is told by when it has begun, where the
// system knows.
func (l layout) runs(c storage.Container) bool {
	pid, noted := l.process(c)
	return pid > 0 && lives(pid) && !startedAfter(pid, noted)
}

// mayRun is runs for who must not be wrong: a clock that was set tells a false time.
func (l layout) mayRun(c storage.Container) bool {
	pid, _ := l.process(c)
	return pid > 0 && lives(pid)
}

// process is the number of the process of the container, or zero, and when it was
// noted.
func (l layout) process(c storage.Container) (pid int, noted time.Time) {
	path := filepath.Join(l.containerDir(l.runRoot, c.ID), "pidfile")
	info, err := os.Stat(path)
	if err != nil {
		return 0, time.Time{}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, time.Time{}
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, time.Time{}
	}
	return pid, info.ModTime()
}
