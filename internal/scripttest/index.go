package scripttest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison/storetest"
)

// index makes an index of images. The names of its members are those of their
// layers, so that equal members have one manifest.
func (c *call) index() error {
	c.need(2)
	spec := storetest.IndexSpec{Name: c.args[0]}
	for _, arg := range c.args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		switch last := len(spec.Images) - 1; {
		case key == "attest":
			for n := range strings.SplitSeq(value, ",") {
				i, err := strconv.Atoi(n)
				c.ts.Check(err)
				spec.Attested = append(spec.Attested, i-1)
			}
		case key == "created" && last < 0:
			spec.Created = c.ago(value)
		case key == "created":
			spec.Images[last].Created = c.ago(value)
		case key == "labels":
			spec.Images[last].Labels = labels(value)
		default:
			spec.Images = append(spec.Images, member(key, value))
		}
	}
	return c.createIndex(spec)
}

// member is an image of an index, by its platform and its layers.
func member(on, layers string) storetest.Spec {
	spec := storetest.Spec{Name: layers, Platform: platform(on)}
	if layers != "" {
		spec.Layers = strings.Split(layers, ",")
	}
	return spec
}

// createIndex makes an index and names what it holds, also the layers, and the
// indexes that it becomes without one of its manifests.
func (c *call) createIndex(spec storetest.IndexSpec) error {
	made := spec.Image()
	c.names.add(spec.Name, made.ID())
	for i, img := range made.Images {
		c.names.add(fmt.Sprintf("%s/%d", spec.Name, i+1), img.ManifestDigest())
	}
	for _, member := range spec.Images {
		for i := range member.Layers {
			below := member.Layers[:i+1]
			c.names.add("layer:"+strings.Join(below, "/"), storetest.ChainID(below...))
		}
	}
	return c.opened.Create(c.t.Context(), made)
}

// artifact makes an image that is about what has the digest.
func (c *call) artifact() error {
	c.need(1)
	spec := storetest.ArtifactSpec{Name: c.args[0]}
	if len(c.args) > 1 {
		spec.Subject = digest.Digest(c.args[1])
	}
	made := spec.Image()
	c.names.add(c.args[0], made.ID())
	return c.opened.Create(c.t.Context(), made)
}

// known names the image that a reference means: an index is another one after a
// platform was removed.
func (c *call) known() error {
	c.need(2)
	found, err := c.service.Resolve(c.t.Context(), c.args[1])
	if err == nil {
		c.names.add(c.args[0], found.Image.ID)
	}
	return err
}

// platform reads OS/ARCH/VARIANT.
func platform(text string) ocispec.Platform {
	parts := append(strings.Split(text, "/"), "", "")
	return ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}
