package compare

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/leases"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	eventtypes "github.com/docker/docker/api/types/events"
	imagetypes "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/daemon/events"
	"github.com/docker/docker/daemon/images"
	"github.com/docker/docker/image"
	dockerreference "github.com/docker/docker/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"
)

// Docker is the engine made of Docker's own code: its image service, image
// store, reference store and events, over a directory. Only the layer store and
// the container store are ours (see layers and containers).
type Docker struct {
	// Containers may be replaced between calls.
	Containers *Containers
	// Leases may be replaced before Build.
	Leases leases.Manager
	// Parent, if set before Build, is where the directory is made. Otherwise
	// it is in memory, where the system has a file system for that.
	Parent string
	// Service is what Build made.
	Service *images.ImageService

	dir      string
	scene    Scene
	layers   layers
	images   image.Store
	refs     dockerreference.Store
	events   *events.Events
	reported int
}

// NewDocker returns the engine.
func NewDocker() *Docker { return &Docker{Leases: noLeases{}} }

// noLeases is a lease manager that has none.
type noLeases struct{ leases.Manager }

func (noLeases) Delete(context.Context, leases.Lease, ...leases.DeleteOpt) error {
	return cerrdefs.ErrNotFound
}

func (noLeases) ListResources(context.Context, leases.Lease) ([]leases.Resource, error) {
	return nil, cerrdefs.ErrNotFound
}

// Build writes the scene to a new directory and starts the image service on it,
// as a daemon starts.
func (d *Docker) Build(_ context.Context, scene Scene) error {
	if err := d.Close(); err != nil {
		return err
	}
	d.scene = scene
	for _, step := range []func() error{d.makeDirectory, d.writeImages, d.writeReferences, d.Restore} {
		if err := step(); err != nil {
			return err
		}
	}
	d.Containers = NewContainers(scene.Containers)
	d.events, d.reported = events.New(), 0
	d.Service = images.NewImageService(images.ImageServiceConfig{
		ContainerStore: d.Containers,
		EventsService:  d.events,
		ImageStore:     seenImages{d.images, d.scene},
		LayerStore:     mappedLayers{layers: d.layers},
		ReferenceStore: d.refs,
		Leases:         d.Leases,
	})
	return nil
}

// Close removes the directory.
func (d *Docker) Close() error {
	if d.dir == "" {
		return nil
	}
	return os.RemoveAll(d.dir)
}

// shared is where Linux has a file system in memory.
const shared = "/dev/shm"

func (d *Docker) makeDirectory() (err error) {
	parent := d.Parent
	if _, err := os.Stat(shared); parent == "" && err == nil {
		parent = shared
	}
	d.dir, err = os.MkdirTemp(parent, "jettison-compare-")
	return err
}

// Restore opens Docker's stores of images and of references on what is in the
// directory, as a daemon does when it starts. Build does it once. When it is
// done again, the Service keeps the stores it has, and layers count their
// holders twice.
func (d *Docker) Restore() error {
	backend, err := image.NewFSStoreBackend(d.imagesDir())
	if err != nil {
		return err
	}
	if d.images, err = image.NewImageStore(backend, d.layers); err != nil {
		return err
	}
	d.refs, err = dockerreference.NewReferenceStore(d.referencesFile())
	return err
}

func (d *Docker) imagesDir() string      { return filepath.Join(d.dir, "images") }
func (d *Docker) referencesFile() string { return filepath.Join(d.dir, "repositories.json") }

// writeImages writes the files of the images. Docker syncs each, which takes
// long for many: whoever wants them on the disk syncs it as a whole.
func (d *Docker) writeImages() error {
	backend, err := image.NewFSStoreBackend(d.imagesDir())
	if err != nil {
		return err
	}
	d.layers = layers{}
	for _, img := range d.scene.Images {
		if img.Lost {
			continue
		}
		d.layers.register(img)
		if err := d.write(backend, img); err != nil {
			return err
		}
	}
	return nil
}

func (d *Docker) write(backend image.StoreBackend, img Image) error {
	if id := digest.FromBytes(img.Config); id != img.ID {
		return errors.Errorf("image %s: its configuration has the digest %s", img.ID, id)
	}
	if err := os.WriteFile(d.contentFile(img.ID), img.Config, 0o600); err != nil {
		return err
	}
	if img.Parent == "" {
		return nil
	}
	return backend.SetMetadata(img.ID, "parent", []byte(img.Parent))
}

// contentFile is where Docker keeps the configuration of an image.
func (d *Docker) contentFile(id digest.Digest) string {
	return filepath.Join(d.imagesDir(), "content", id.Algorithm().String(), id.Encoded())
}

// writeReferences writes Docker's file of references at once: Docker writes it
// whole for each reference that is added.
func (d *Docker) writeReferences() error {
	repositories := make(map[string]map[string]digest.Digest)
	for _, a := range d.scene.References {
		name := reference.FamiliarName(a.Ref)
		if repositories[name] == nil {
			repositories[name] = make(map[string]digest.Digest)
		}
		repositories[name][reference.FamiliarString(a.Ref)] = a.ID
	}
	text, err := json.Marshal(map[string]any{"Repositories": repositories})
	if err != nil {
		return err
	}
	return os.WriteFile(d.referencesFile(), text, 0o600)
}

// Damage makes the record of an image unreadable.
func (d *Docker) Damage(id digest.Digest) error {
	return os.WriteFile(d.contentFile(id), []byte("damaged"), 0o600)
}

// Delete calls Docker's ImageDelete.
func (d *Docker) Delete(ctx context.Context, call Call) (Outcome, error) {
	responses, err := d.Service.ImageDelete(ctx, call.Ref, imagetypes.RemoveOptions{
		Force:         call.Force,
		PruneChildren: call.Prune,
		Platforms:     call.Platforms,
	})
	out := Outcome{Failure: failureOf(err), Events: d.newEvents(), Records: recordsOf(responses)}
	out.After, err = d.State(ctx)
	return out, err
}

func recordsOf(responses []imagetypes.DeleteResponse) []Record {
	if responses == nil {
		return nil
	}
	records := []Record{}
	for _, r := range responses {
		records = append(records, Record{Untagged: r.Untagged, Deleted: r.Deleted})
	}
	return records
}

// newEvents returns the events since it was last called.
func (d *Docker) newEvents() []Event {
	messages, _, cancel := d.events.Subscribe()
	cancel()
	var news []Event
	for _, m := range messages[d.reported:] {
		news = append(news, eventOf(m))
	}
	d.reported = len(messages)
	return news
}

func eventOf(m eventtypes.Message) Event {
	return Event{
		Action: string(m.Action), ID: m.Actor.ID,
		Name: m.Actor.Attributes["name"], Reclaimed: m.Actor.Attributes["reclaimed"],
	}
}

// State reads Docker's stores.
func (d *Docker) State(context.Context) (State, error) {
	state := State{
		Images:     make(map[digest.Digest]Links),
		References: make(map[string]digest.Digest),
		Layers:     d.layers.counts(),
	}
	for id, img := range d.images.Map() {
		state.Images[id.Digest()] = Links{
			Parent:   img.Parent.Digest(),
			Children: sortedIDs(d.images.Children(id)),
		}
	}
	for _, a := range d.scene.References {
		for _, found := range d.refs.ReferencesByName(a.Ref) {
			state.References[found.Ref.String()] = found.ID
		}
	}
	return state, nil
}

// failureOf describes an error of either engine. The class is what the marker
// methods say.
func failureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	var marked []string
	for _, class := range []struct {
		name string
		is   func(error) bool
	}{
		{"InvalidArgument", cerrdefs.IsInvalidArgument},
		{"NotFound", cerrdefs.IsNotFound},
		{"Conflict", cerrdefs.IsConflict},
		{"Unavailable", cerrdefs.IsUnavailable},
		{"Internal", cerrdefs.IsInternal},
	} {
		if class.is(err) {
			marked = append(marked, class.name)
		}
	}
	return Failure{Class: strings.Join(marked, " and "), Text: err.Error()}
}
