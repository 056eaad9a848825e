package imagestore

import (
	_ "crypto/sha256" // without it no digest is valid
	_ "crypto/sha512" // nor those of sha384 and sha512
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/internal/class"
)

// A config is what is read of an image configuration. Rootfs is a pointer to
// tell one that is missing from one without layers.
type config struct {
	ocispec.Platform
	Created *time.Time `json:"created"`
	Config  struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS *struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		EmptyLayer bool `json:"empty_layer"`
	} `json:"history"`
}

// parse checks a Spec and returns the image to be, without size and content,
// and its layers.
func parse(spec Spec) (Image, chain, error) {
	for _, list := range [][]ocispec.Descriptor{spec.Layers, spec.Content} {
		if err := checkDescriptors(list); err != nil {
			return Image{}, nil, err
		}
	}
	about, err := parseManifest(spec)
	if err != nil {
		return Image{}, nil, err
	}
	if spec.Config == nil && about.id != "" {
		return about.artifact(spec.Parent), nil, nil
	}
	img, links, err := parseConfig(spec)
	img.Manifest, img.Subject, img.Parent = about.id, about.subject, spec.Parent
	return img, links, err
}

// parseConfig reads what the configuration tells.
func parseConfig(spec Spec) (Image, chain, error) {
	var cfg config
	if err := json.Unmarshal(spec.Config, &cfg); err != nil {
		return Image{}, nil, class.Errorf(class.InvalidArgument, "image configuration: %w", err)
	}
	if err := cfg.check(); err != nil {
		return Image{}, nil, err
	}
	diffIDs := cfg.RootFS.DiffIDs
	if n := len(spec.Layers); n > 0 && n != len(diffIDs) {
		return Image{}, nil, class.Errorf(class.InvalidArgument,
			"%d layers of content for an image configuration of %d", n, len(diffIDs))
	}
	links := newChain(diffIDs, spec.Layers)
	img := cfg.image()
	img.ID = digest.FromBytes(spec.Config)
	img.Layer = links.top()
	return img, links, nil
}

// check returns what is wrong with a configuration.
func (c *config) check() error {
	if c.RootFS == nil {
		return class.Errorf(class.InvalidArgument, "image configuration: no rootfs")
	}
	for _, diffID := range c.RootFS.DiffIDs {
		if err := diffID.Validate(); err != nil {
			return class.Errorf(class.InvalidArgument, "image configuration: diff ID %q: %w", diffID, err)
		}
	}
	layers := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			layers++
		}
	}
	if layers > len(c.RootFS.DiffIDs) {
		return class.Errorf(class.InvalidArgument,
			"image configuration: too many non-empty layers in history: %d of %d", layers, len(c.RootFS.DiffIDs))
	}
	return nil
}

// image is the part of the record that the configuration tells.
func (c *config) image() Image {
	img := Image{Platform: c.Platform}
	if c.Created != nil {
		img.Created = c.Created.UTC()
	}
	if len(c.OSFeatures) == 0 {
		img.Platform.OSFeatures = nil
	}
	if len(c.Config.Labels) > 0 {
		img.Labels = c.Config.Labels
	}
	return img
}

func checkDescriptors(list []ocispec.Descriptor) error {
	for _, desc := range list {
		if err := desc.Digest.Validate(); err != nil {
			return class.Errorf(class.InvalidArgument, "content %q: %w", desc.Digest, err)
		}
		if desc.Size < 0 {
			return class.Errorf(class.InvalidArgument, "content %s: negative size %d", desc.Digest, desc.Size)
		}
	}
	return nil
}
