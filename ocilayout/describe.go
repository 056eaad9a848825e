package ocilayout

import (
	"maps"

	"github.com/jettison-oci/jettison/imagestore"
)

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
		b.record.Created = cfg.created()
	}
}
