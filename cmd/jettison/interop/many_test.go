//go:build interop

package interop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Each image of a store of many has five layers, of which the lowest two are
// those of all.
const layersEach, layersShared = 5, 2

// many are the records of a store of many images, as Podman's library writes
// them. Made image by image, such a store takes the library many minutes.
type many struct {
	s      *site
	layers []map[string]any
	images []map[string]any
}

// makeMany makes a store of vfs with the images app:0, app:1 and so on.
func (s *site) makeMany(images int) {
	s.t.Helper()
	m := many{s: s}
	for i := range images {
		m.add(fmt.Sprintf("app:%d", i))
	}
	m.write(m.s.inside("-layers/layers.json"), m.layers)
	m.write(m.s.inside("-images/images.json"), m.images)
}

func (m *many) add(name string) {
	m.s.t.Helper()
	var (
		parent string
		diffs  []digest.Digest
	)
	for depth := range layersEach {
		content := fmt.Sprint(name, depth)
		if depth < layersShared {
			content = fmt.Sprint("base", depth)
		}
		diff := digest.FromString(content)
		id := diff.Encoded()
		if parent != "" {
			id = digest.FromString(parent + "+" + id).Encoded()
		}
		if depth >= layersShared || len(m.images) == 0 {
			m.layer(id, parent, diff, depth)
		}
		parent, diffs = id, append(diffs, diff)
	}
	m.image(name, parent, diffs)
}

// layer adds a layer with one small file more than the one below.
func (m *many) layer(id, parent string, diff digest.Digest, depth int) {
	m.s.t.Helper()
	record := map[string]any{
		"id": id, "created": time.Unix(0, 0).UTC(), "diff-digest": diff, "diff-size": 2048,
		"compressed-diff-digest": diff, "compressed-size": 2048, "uidset": []int{0}, "gidset": []int{0},
	}
	if parent != "" {
		record["parent"] = parent
	}
	m.layers = append(m.layers, record)
	m.s.write(filepath.Join(m.s.inside("-layers"), id+".tar-split.gz"), "not looked at")
	for i := range depth + 1 {
		m.s.write(filepath.Join(m.s.inside("/dir"), id, fmt.Sprint("file", i)), "content")
	}
}

func (m *many) image(name, top string, diffs []digest.Digest) {
	m.s.t.Helper()
	config := ocispec.Image{Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"}}
	config.RootFS.Type, config.RootFS.DiffIDs = "layers", diffs
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for _, diff := range diffs {
		config.History = append(config.History, ocispec.History{CreatedBy: "/bin/sh -c #(nop) COPY file:" + diff.Encoded()})
		manifest.Layers = append(manifest.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diff, Size: 2048})
	}
	configText := m.text(config)
	id := digest.FromString(configText)
	manifest.Config = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: id, Size: int64(len(configText))}
	manifestText := m.text(manifest)
	manifestDigest := digest.FromString(manifestText)
	documents := map[string]string{
		"manifest": manifestText, "manifest-" + manifestDigest.String(): manifestText, id.String(): configText,
	}
	names, sizes, digests := []string{}, map[string]int{}, map[string]digest.Digest{}
	for key, text := range documents {
		names, sizes[key], digests[key] = append(names, key), len(text), digest.FromString(text)
		m.s.write(filepath.Join(m.s.inside("-images"), id.Encoded(), fileName(key)), text)
	}
	m.images = append(m.images, map[string]any{
		"id": id.Encoded(), "digest": manifestDigest, "names": []string{"localhost/" + name}, "layer": top, "metadata": "{}",
		"created": time.Unix(0, 0).UTC(), "big-data-names": names, "big-data-sizes": sizes, "big-data-digests": digests,
	})
}

func (m *many) text(document any) string {
	m.s.t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		m.s.t.Fatal(err)
	}
	return string(text)
}

func (m *many) write(name string, records []map[string]any) {
	m.s.t.Helper()
	m.s.write(name, m.text(records))
	if err := os.Chmod(m.s.path(name), 0o600); err != nil {
		m.s.t.Fatal(err)
	}
}
