package jettison_test

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/storetest"
)

// check compares the store with a model that holds what was not reported as
// removed. Nobody is at work. Then it forgets what has gone.
func (s *storm) check() {
	s.checkRecords()
	m := s.left()
	if diff := cmp.Diff(m.dump(), s.opened.Dump(s.t)); diff != "" {
		s.t.Errorf("state (-what was not removed +got):\n%s", diff)
	}
	if found := s.opened.Problems(s.t); len(found) > 0 {
		s.t.Errorf("the store does not fit together:\n%s", strings.Join(found, "\n"))
	}
	s.checkLayers(m)
	s.forget(m)
}

// checkRecords makes sure that each removal was reported by one caller. Layers
// that images share come back, and go again.
func (s *storm) checkRecords() {
	shared := make(map[string]bool)
	for group := range 10 {
		layers := stormSpec("", group).Layers
		for n := range layers {
			shared["Deleted: "+storetest.ChainID(layers[:n]...).String()] = true
		}
	}
	for record, times := range s.records {
		if times != 1 && !shared[record] {
			s.t.Errorf("%s was reported %d times", record, times)
		}
	}
}

// left is what was not reported as removed. A parent outlives its children and
// a leased image its lease; neither a name nor a running container outlives its
// image.
func (s *storm) left() *model {
	m := newModel()
	m.leases = s.leases
	for _, id := range s.ids {
		img := s.images[id]
		if s.records["Deleted: "+id.String()] > 0 {
			continue
		}
		if img.Parent != "" && m.images[img.Parent] == nil {
			s.t.Errorf("image %s is left, its parent %s is not", id, img.Parent)
			img.Parent = ""
		}
		m.create(img)
	}
	for name, id := range s.names {
		ref, err := asName(name)
		if err != nil {
			s.t.Fatal(err)
		}
		if s.records["Untagged: "+name] > 0 {
			continue
		}
		m.refs[ref.String()] = modelRef{ref, id}
		if m.images[id] == nil {
			s.t.Errorf("%s is left, its image %s is not", name, id)
		}
	}
	for id, c := range s.users {
		if s.records["Removed: "+id] > 0 {
			continue
		}
		m.containers[id] = c
		for _, image := range append(slices.Clone(c.Mounts), c.Image) {
			if m.images[image] == nil && c.Running {
				s.t.Errorf("running container %s is left, its image %s is not", id, image)
			}
		}
	}
	for owner, lease := range s.leases {
		if m.images[lease.image] == nil {
			s.t.Errorf("%s has a lease on image %s, which went", owner, lease.image)
		}
	}
	return m
}

// checkLayers makes sure that a layer which went was reported, and that none
// was that an image has for itself and did not go.
func (s *storm) checkLayers(m *model) {
	left := m.layerSet()
	for _, img := range s.images {
		record, layers, err := img.Record()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, layer := range layers {
			_, there := left[layer.ChainID]
			reported := s.records["Deleted: "+layer.ChainID.String()]
			if !there && reported == 0 || there && reported > 0 && layer.ChainID == record.Layer {
				s.t.Errorf("layer %s: there: %t, reported as deleted %d times", layer.ChainID, there, reported)
			}
		}
	}
}

// forget drops what has gone, but not that it was reported.
func (s *storm) forget(m *model) {
	s.ids = slices.DeleteFunc(s.ids, func(id digest.Digest) bool {
		gone := m.images[id] == nil
		if gone {
			delete(s.images, id)
		}
		return gone
	})
	s.given = slices.DeleteFunc(s.given, func(name string) bool {
		gone := s.records["Untagged: "+name] > 0
		if gone {
			delete(s.names, name)
		}
		return gone
	})
	for id := range s.users {
		if s.records["Removed: "+id] > 0 {
			delete(s.users, id)
		}
	}
}
