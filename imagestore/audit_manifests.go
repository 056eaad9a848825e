package imagestore

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxManifest is the size up to which content may be a manifest: what
// registries take at least (OCI distribution specification, "Pushing
// manifests").
const maxManifest = 4 << 20

// findManifests gives the images that are made again the manifests that name
// their configurations: content that else nothing would hold.
func (s *auditor) findManifests(ctx context.Context) error {
	again := make(map[digest.Digest]*auditImage)
	for id, img := range s.images {
		if img.problem != "" {
			again[id] = img
		}
	}
	if len(again) == 0 {
		return nil
	}
	held := s.held()
	for _, id := range slices.Sorted(maps.Keys(s.contents)) {
		if held[id] || s.contents[id].Size > maxManifest {
			continue
		}
		data, err := s.Bytes(ctx, id)
		if err != nil {
			return err
		}
		var m ocispec.Manifest
		if json.Unmarshal(data, &m) != nil {
			continue
		}
		if img := again[m.Config.Digest]; img != nil {
			img.Content = append(img.Content, Content{Digest: id})
			if img.Manifest == "" {
				img.Manifest = id
			}
			if m.Subject != nil && img.Manifest == id && m.Subject.Digest.Validate() == nil {
				img.Subject = m.Subject.Digest
			}
		}
	}
	return nil
}

// held returns all content that an image or a layer holds.
func (s *auditor) held() map[digest.Digest]bool {
	held := make(map[digest.Digest]bool)
	add := func(contents []Content) {
		for _, c := range contents {
			held[c.Digest] = true
		}
	}
	for _, img := range s.images {
		add(img.Content)
	}
	for _, l := range s.layers {
		add(l.Content)
	}
	return held
}
