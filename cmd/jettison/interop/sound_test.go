//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"slices"
)

// unsound lists what is wrong with the store as it lies on disk: records that
// lead nowhere, and layers and files that nothing needs.
func (s *site) unsound() []string {
	s.t.Helper()
	wrong := s.unsoundLayers()
	wrong = append(wrong, s.stray("-images", s.recorded("images"))...)
	if s.driver == "overlay" {
		wrong = append(wrong, s.unsoundOverlay()...)
	} else {
		wrong = append(wrong, s.stray("/dir", s.recorded("layers"))...)
	}
	slices.Sort(wrong)
	return wrong
}

func (s *site) unsoundLayers() []string {
	s.t.Helper()
	var wrong []string
	layers, needed := map[string]record{}, map[string]bool{}
	for _, layer := range s.records("layers") {
		layers[layer.ID] = layer
	}
	for _, holder := range append(s.records("images"), s.records("containers")...) {
		for id := holder.Layer; id != "" && !needed[id]; id = layers[id].Parent {
			if _, is := layers[id]; !is {
				wrong = append(wrong, fmt.Sprintf("%s needs layer %s, which is not there", holder.ID, id))
			}
			needed[id] = true
		}
	}
	for id, layer := range layers {
		if !needed[id] {
			wrong = append(wrong, fmt.Sprintf("layer %s is needed by nothing", id))
		}
		if layer.Flags["incomplete"] == true {
			wrong = append(wrong, fmt.Sprintf("layer %s is incomplete", id))
		}
	}
	return wrong
}

// stray lists the directories without a record, but for those that are known to be
// there, and the records without a directory.
func (s *site) stray(dir string, ids []string, known ...string) []string {
	s.t.Helper()
	entries, err := os.ReadDir(s.path(s.inside(dir)))
	if err != nil {
		s.t.Fatal(err)
	}
	var wrong []string
	for _, entry := range entries {
		if i := slices.Index(ids, entry.Name()); i >= 0 {
			ids = slices.Delete(ids, i, i+1)
		} else if entry.IsDir() && !slices.Contains(known, entry.Name()) {
			wrong = append(wrong, fmt.Sprintf("%s/%s belongs to nothing", s.inside(dir), entry.Name()))
		}
	}
	for _, id := range ids {
		wrong = append(wrong, fmt.Sprintf("%s/%s is not there", s.inside(dir), id))
	}
	return wrong
}
