package podman

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// access is what a function of a View or of an Update may do.
type access uint8

const (
	reading access = iota
	writing
)

// A state is what the records of the store said at one moment, and what an update
// has changed since.
type state struct {
	owner *Store
	may   access

	images     []*image // in the order of the store
	byID       map[digest.Digest]*image
	byName     map[string]*image // by the full string of a reference
	layers     *layers
	containers []storage.Container
	parents    map[digest.Digest]digest.Digest // those that were computed
	damaged    map[digest.Digest]*config       // what is readable of such images, each told of once
}

// An image is the record of an image in the store.
type image struct {
	storage.Image
	id digest.Digest
	// pinned says that a store which cannot be changed has the image too.
	pinned bool
}

// look reads the records of the store, all at one moment.
func (s *Store) look(ctx context.Context, may access) (*state, error) {
	if !exists(s.layout.root) {
		return nil, class.Errorf(class.NotFound, "the store %s is not there any more", s.layout.root)
	}
	if err := s.layout.await(ctx, s.timeout, may); err != nil {
		return nil, err
	}
	if err := s.awaitAdditional(ctx); err != nil {
		return nil, err
	}
	found, err := s.store.MultiList(storage.MultiListOptions{Images: true, Layers: true, Containers: true})
	if err != nil {
		return nil, class.Errorf(class.Internal, "read the records of %s: %w", s.layout.root, storageError(err))
	}
	st := &state{
		owner:      s,
		may:        may,
		byID:       make(map[digest.Digest]*image, len(found.Images)),
		byName:     make(map[string]*image, len(found.Images)),
		layers:     newLayers(found),
		containers: found.Containers,
		parents:    make(map[digest.Digest]digest.Digest),
		damaged:    make(map[digest.Digest]*config),
	}
	for _, record := range found.Images {
		st.add(ctx, record)
	}
	s.configs.keep(st.byID)
	return st, nil
}

// add adds the record of an image. The first of an ID and of a name counts: that of
// the store which can be changed hides those of others.
func (st *state) add(ctx context.Context, record storage.Image) {
	id, ok := imageID(record.ID)
	if !ok {
		st.owner.log.WarnContext(ctx, "image is left alone: its ID is no digest", "id", record.ID, "names", record.Names)
		return
	}
	if first, ok := st.byID[id]; ok {
		first.pinned = first.pinned || record.ReadOnly
		return
	}
	img := &image{Image: record, id: id, pinned: record.ReadOnly}
	st.images = append(st.images, img)
	st.byID[id] = img
	st.layers.attach(img)
	for _, name := range record.Names {
		if st.byName[name] == nil && isReference(name) {
			st.byName[name] = img
		}
	}
}

// imageID is the ID of an image whose name in the store is 64 hex digits.
func imageID(id string) (digest.Digest, bool) {
	if len(id) != 2*sha256.Size || strings.Trim(id, "0123456789abcdef") != "" {
		return "", false
	}
	return digest.NewDigestFromEncoded(digest.SHA256, id), true
}

// stores shows the state to a function.
func (st *state) stores() jettison.Stores {
	return jettison.Stores{
		Images:     jettison.Images{ImageStore: imageStore{st}, Named: imageStore{st}},
		References: jettison.References{ReferenceStore: referenceStore{st}, Short: referenceStore{st}, Digests: referenceStore{st}},
		Containers: jettison.Containers{ContainerLister: containerStore{st}, Remover: containerStore{st}},
		Leases:     leaseStore{st},
	}
}

// image returns the record of an image that is there.
func (st *state) image(id digest.Digest) (*image, error) {
	img, ok := st.byID[id]
	if !ok {
		return nil, class.Errorf(class.NotFound, "image %s does not exist", id)
	}
	return img, nil
}

// forget notes that an image has gone.
func (st *state) forget(img *image) {
	delete(st.byID, img.id)
	for _, name := range img.Names {
		if st.byName[name] == img {
			delete(st.byName, name)
		}
	}
	st.images = slices.DeleteFunc(st.images, func(other *image) bool { return other == img })
	st.layers.detach(img)
	clear(st.parents) // another may be the parent now
}

// read says that a method may begin.
func (st *state) read(ctx context.Context) error {
	return class.Wrap(class.Unavailable, ctx.Err())
}

// write says that a method may begin to change something.
func (st *state) write(ctx context.Context) error {
	if st.may != writing {
		return errReadOnly
	}
	return st.read(ctx)
}

// errReadOnly is the error of a change attempted through a view.
var errReadOnly = class.Errorf(class.Internal, "a view cannot change the store")
