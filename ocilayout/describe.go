package ocilayout

import (
	"maps"

	"github.com/jettison-oci/jettison/imagestore"
)

// common is what the images of an index say together: when the newest of them
// was made, unless the index says that itself, and the labels that all have.
type common struct{ dated, labelled bool }

// add puts what one of them says in the record of the index.
func (c *common) add(record *imagestore.Image, l leaf, m imagestore.Manifest, cfg *config) {
	if l.node == nil || !l.node.isImage() || m.Platform.OS == "unknown" {
		return // it is not there, an artifact, or an attestation
	}
	if cfg == nil {
		cfg = &config{}
	}
	if !c.dated && cfg.Created != nil && cfg.Created.After(record.Created) {
		record.Created = cfg.Created.UTC()
	}
	if !c.labelled {
		record.Labels = maps.Clone(cfg.Config.Labels)
	}
	c.labelled = true
	maps.DeleteFunc(record.Labels, func(key, value string) bool {
		other, ok := cfg.Config.Labels[key]
		return !ok || other != value
	})
	if len(record.Labels) == 0 {
		record.Labels = nil
	}
}

// describe fills in what the configuration tells of an image of one platform.
func (b *builder) describe(m imagestore.Manifest, cfg *config) {
	b.record.Platform = m.Platform
	if m.Layer != "" { // of another manifest it may not be known
		b.record.Layer = m.Layer
	}
	if m.Digest != b.record.ID {
		b.record.Manifest = m.Digest
	}
	if cfg == nil {
		return
	}
	b.record.Labels = nil
	if len(cfg.Config.Labels) > 0 {
		b.record.Labels = maps.Clone(cfg.Config.Labels)
	}
	if cfg.Created != nil {
		b.record.Created = cfg.Created.UTC()
	}
}
