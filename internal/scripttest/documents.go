package scripttest

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/backends"
)

// list makes a list of images that is an image of its own.
func (c *call) list() error {
	c.need(1)
	var instances []digest.Digest
	for _, word := range c.args[1:] {
		instances = append(instances, c.imageID(word))
	}
	c.names.add(c.args[0], c.opened.List(c.t, c.args[0], instances))
	return nil
}

func (c *call) lose() error   { return c.spoil(backends.Spoiler.Lose) }
func (c *call) garble() error { return c.spoil(backends.Spoiler.Garble) }

// spoil does to a document of an image what do does.
func (c *call) spoil(do func(backends.Spoiler, context.Context, digest.Digest, backends.Document) error) error {
	c.need(2)
	document := backends.Document(c.args[1])
	if !slices.Contains([]backends.Document{backends.Manifest, backends.Config}, document) {
		c.ts.Fatalf("no image has a document %q", document)
	}
	return do(c.opened.Spoiler(c.t), c.t.Context(), c.imageID(c.args[0]), document)
}

// warnings writes the warnings of the store since the last time, each once.
func (c *call) warnings() error {
	found := c.opened.Spoiler(c.t).Warnings()
	slices.Sort(found)
	for _, line := range slices.Compact(found) {
		c.printf("%s", line)
	}
	return nil
}
