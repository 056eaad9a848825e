package compare

import (
	"context"
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

	"github.com/jettison-oci/jettison/refstore"
)

// Docker is the engine made of Docker's own code: its image service, image
// store, reference store and events, over a directory. Only the layer store and
// the container store are ours (see layers and containers).
type Docker struct {
	// Containers may be replaced between calls.
	Containers *Containers
	// Leases may be replaced before Build.
	Leases leases.Manager

	dir      string
	scene    Scene
	layers   layers
	images   image.Store
	refs     dockerreference.Store
	events   *events.Events
	reported int
	service  *images.ImageService
}

// NewDocker returns the engine. It keeps its files in memory where the system
// has a file system for that.
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
	for _, step := range []func() error{d.makeDirectory, d.loadImages, d.loadReferences} {
		if err := step(); err != nil {
			return err
		}
	}
	d.Containers = NewContainers(scene.Containers)
	d.events, d.reported = events.New(), 0
	d.service = images.NewImageService(images.ImageServiceConfig{
		ContainerStore: d.Containers,
		EventsService:  d.events,
		ImageStore:     d.images,
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

func (d *Docker) makeDirectory() (err error) {
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	d.dir, err = os.MkdirTemp(base, "jettison-compare-")
	return err
}

func (d *Docker) loadImages() error {
	backend, err := image.NewFSStoreBackend(filepath.Join(d.dir, "images"))
	if err != nil {
		return err
	}
	d.layers = layers{}
	for _, img := range d.scene.Images {
		if img.Lost {
			continue
		}
		d.layers.register(img)
		if err := write(backend, img); err != nil {
			return err
		}
	}
	d.images, err = image.NewImageStore(backend, d.layers)
	return err
}

func write(backend image.StoreBackend, img Image) error {
	id, err := backend.Set(img.Config)
	if err != nil {
		return err
	}
	if id != img.ID {
		return errors.Errorf("image %s: its configuration has the digest %s", img.ID, id)
	}
	if img.Parent == "" {
		return nil
	}
	return backend.SetMetadata(id, "parent", []byte(img.Parent))
}

func (d *Docker) loadReferences() (err error) {
	d.refs, err = dockerreference.NewReferenceStore(filepath.Join(d.dir, "repositories.json"))
	if err != nil {
		return err
	}
	for _, a := range d.scene.References {
		if err := d.add(a); err != nil {
			return errors.WithMessage(err, a.Ref.String())
		}
	}
	return nil
}

func (d *Docker) add(a refstore.Association) error {
	if canonical, ok := a.Ref.(reference.Canonical); ok {
		return d.refs.AddDigest(canonical, a.ID, false)
	}
	return d.refs.AddTag(a.Ref, a.ID, false)
}

// Damage makes the record of an image unreadable.
func (d *Docker) Damage(id digest.Digest) error {
	file := filepath.Join(d.dir, "images", "content", id.Algorithm().String(), id.Encoded())
	return os.WriteFile(file, []byte("damaged"), 0o600)
}

// Delete calls Docker's ImageDelete.
func (d *Docker) Delete(ctx context.Context, call Call) (Outcome, error) {
	responses, err := d.service.ImageDelete(ctx, call.Ref, imagetypes.RemoveOptions{
		Force:         call.Force,
		PruneChildren: call.Prune,
		Platforms:     call.Platforms,
	})
	out := Outcome{Failure: failureOf(err), Events: d.newEvents()}
	if responses != nil {
		out.Records = []Record{}
	}
	for _, r := range responses {
		out.Records = append(out.Records, Record{Untagged: r.Untagged, Deleted: r.Deleted})
	}
	out.After, err = d.State(ctx)
	return out, err
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
	return Event{Action: string(m.Action), ID: m.Actor.ID, Name: m.Actor.Attributes["name"]}
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
