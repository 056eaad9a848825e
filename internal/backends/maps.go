package backends

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/storetest"
)

// MapImages is an ImageStore in maps. It is safe for concurrent use.
type MapImages struct {
	mu         sync.RWMutex
	images     map[digest.Digest]imagestore.Image
	layers     map[digest.Digest]imagestore.Layer
	content    map[digest.Digest]imagestore.Content // by digest, with its holders
	unreadable map[digest.Digest]bool
}

// NewMapImages returns an empty store.
func NewMapImages() *MapImages {
	return &MapImages{
		images:     make(map[digest.Digest]imagestore.Image),
		layers:     make(map[digest.Digest]imagestore.Layer),
		content:    make(map[digest.Digest]imagestore.Content),
		unreadable: make(map[digest.Digest]bool),
	}
}

// Create adds an image with its layers. One that is there already stays as it
// is, but for the parent, which it gets if it has none. The error is of class
// NotFound when the parent is not there.
func (s *MapImages) Create(ctx context.Context, made storetest.Image) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	img, layers, err := made.Record()
	if err != nil {
		return class.Wrap(class.InvalidArgument, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.get(img.ID)
	switch {
	case err == nil && old.Parent == "":
		old.Parent = img.Parent
		s.images[img.ID] = old
		return nil
	case !errors.Is(err, class.NotFound):
		return err
	}
	if _, ok := s.images[img.Parent]; !ok && img.Parent != "" {
		return class.Errorf(class.NotFound, "unknown parent image ID %s", img.Parent)
	}
	s.insert(img, layers)
	return nil
}

// insert adds an image that is not there.
func (s *MapImages) insert(img imagestore.Image, layers []imagestore.Layer) {
	sizes := make(map[digest.Digest]int64)
	for _, layer := range layers {
		s.addLayer(layer)
		for _, c := range s.layers[layer.ChainID].Content {
			sizes[c.Digest] = c.Size
		}
	}
	s.holdLayer(img.Layer)
	s.hold(img.Content)
	for _, c := range img.Content {
		sizes[c.Digest] = c.Size
	}
	img.Size = 0
	for _, size := range sizes {
		img.Size += size
	}
	s.images[img.ID] = img
}

// addLayer adds a layer that nothing holds yet, unless it is there.
func (s *MapImages) addLayer(layer imagestore.Layer) {
	if _, ok := s.layers[layer.ChainID]; ok {
		return
	}
	layer.Holders = 0
	s.layers[layer.ChainID] = layer
	s.holdLayer(layer.Parent)
	s.hold(layer.Content)
}

// holdLayer counts one more holder of a layer, if there is one.
func (s *MapImages) holdLayer(chainID digest.Digest) {
	if layer, ok := s.layers[chainID]; ok {
		layer.Holders++
		s.layers[chainID] = layer
	}
}

// hold counts one more holder of each content.
func (s *MapImages) hold(held []imagestore.Content) {
	for _, c := range held {
		c.Holders = s.content[c.Digest].Holders + 1
		s.content[c.Digest] = c
	}
}

// Damage makes the record of an image unreadable.
func (s *MapImages) Damage(id digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreadable[id] = true
}

// Contents returns all content, sorted by digest.
func (s *MapImages) Contents() []imagestore.Content {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []imagestore.Content
	for _, d := range slices.Sorted(maps.Keys(s.content)) {
		found = append(found, s.content[d])
	}
	return found
}

// Get returns the record of an image.
func (s *MapImages) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	if err := ctx.Err(); err != nil {
		return imagestore.Image{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.get(id)
}

func (s *MapImages) get(id digest.Digest) (imagestore.Image, error) {
	img, ok := s.images[id]
	switch {
	case !ok:
		return imagestore.Image{}, class.Errorf(class.NotFound, "image %s is not there", id)
	case s.unreadable[id]:
		return imagestore.Image{}, &imagestore.UnreadableError{ID: id, Err: errors.New("damaged by the test")}
	}
	img.Labels = maps.Clone(img.Labels)
	img.Content = s.counted(img.Content)
	return img, nil
}

// counted returns a copy of the content with its holders as they are now.
func (s *MapImages) counted(held []imagestore.Content) []imagestore.Content {
	held = slices.Clone(held)
	for i, c := range held {
		held[i].Holders = s.content[c.Digest].Holders
	}
	return held
}

// Search returns the IDs that begin with prefix.
func (s *MapImages) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	return s.find(ctx, func(img imagestore.Image) bool {
		return imagestore.HasPrefix(img.ID, prefix)
	})
}

// Children returns the IDs of the images whose parent is id.
func (s *MapImages) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return s.find(ctx, func(img imagestore.Image) bool { return img.Parent == id && id != "" })
}

func (s *MapImages) find(ctx context.Context, match func(imagestore.Image) bool) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []digest.Digest
	for id, img := range s.images {
		if match(img) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Layer returns the record of a layer.
func (s *MapImages) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	if err := ctx.Err(); err != nil {
		return imagestore.Layer{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	layer, ok := s.layers[chainID]
	if !ok {
		return imagestore.Layer{}, class.Errorf(class.NotFound, "layer %s is not there", chainID)
	}
	layer.Content = s.counted(layer.Content)
	return layer, nil
}

// Delete removes an image and what nothing else holds.
func (s *MapImages) Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error) {
	var gone imagestore.Removed
	if err := ctx.Err(); err != nil {
		return gone, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	img, err := s.get(id)
	if errors.Is(err, class.NotFound) {
		return gone, err
	}
	delete(s.images, id)
	delete(s.unreadable, id)
	for child, record := range s.images {
		if record.Parent == id {
			record.Parent = ""
			s.images[child] = record
		}
	}
	s.release(&gone, img.Content)
	for chain := img.Layer; chain != ""; {
		layer := s.layers[chain]
		layer.Holders--
		s.layers[chain] = layer
		if layer.Holders > 0 {
			break
		}
		delete(s.layers, chain)
		gone.Layers = append(gone.Layers, layer)
		s.release(&gone, layer.Content)
		chain = layer.Parent
	}
	return gone, nil
}

func (s *MapImages) release(gone *imagestore.Removed, held []imagestore.Content) {
	for _, c := range s.counted(held) {
		c.Holders--
		s.content[c.Digest] = c
		if c.Holders == 0 {
			delete(s.content, c.Digest)
			gone.Content = append(gone.Content, c)
		}
	}
}

// All yields every image, sorted by ID.
func (s *MapImages) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return func(yield func(imagestore.Image, error) bool) {
		ids, err := s.Search(ctx, "")
		if err != nil {
			yield(imagestore.Image{}, err)
			return
		}
		for _, id := range ids {
			img, err := s.Get(ctx, id)
			var unreadable *imagestore.UnreadableError
			if !yield(img, err) || err != nil && !errors.As(err, &unreadable) {
				return
			}
		}
	}
}
