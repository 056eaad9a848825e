//go:build interop

package interop_test

import (
	"encoding/json"
	"os"
)

// A record is what the store has of an image, a layer or a container.
type record struct {
	ID     string
	Names  []string
	Digest string
	Layer  string         // of an image or a container
	Image  string         // of a container
	Parent string         // of a layer
	Flags  map[string]any // of a layer
}

// records are those that the store has of its images, containers or layers, in the
// order in which they were made; none where there is no such file yet.
func (s *site) records(kind string) []record {
	s.t.Helper()
	var records []record
	s.read(kind, &records)
	return records
}

// recorded are the IDs of the records.
func (s *site) recorded(kind string) []string {
	s.t.Helper()
	var ids []string
	for _, record := range s.records(kind) {
		ids = append(ids, record.ID)
	}
	return ids
}

// read reads the file of records.
func (s *site) read(kind string, records any) {
	s.t.Helper()
	data, err := os.ReadFile(s.path(s.inside("-" + kind + "/" + kind + ".json")))
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		err = json.Unmarshal(data, records)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
