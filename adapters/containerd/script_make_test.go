package containerd_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/storetest"
)

// The commands that make the state.

func (c *scriptCall) image() error {
	spec := storetest.Spec{Name: c.args[0], Layers: []string{"os", c.args[0]}}
	if text, ok := c.values["layers"]; ok {
		spec.Layers = strings.Split(text, ",")
	}
	made := spec.Image()
	c.ids[c.args[0]+".config"] = made.ID()
	c.ids[c.args[0]+".top"] = storetest.ChainID(spec.Layers...)
	c.ids["os"] = storetest.ChainID("os")
	return c.add(c.args[0], made, c.args[1:])
}

func (c *scriptCall) index() error {
	spec := storetest.IndexSpec{Name: c.args[0]}
	for _, platform := range slices.Sorted(maps.Keys(c.values)) {
		layers := strings.Split(c.values[platform], ",")
		member := storetest.Spec{Name: c.values[platform], Layers: layers}
		member.Platform.OS, member.Platform.Architecture, _ = strings.Cut(platform, "/")
		spec.Images = append(spec.Images, member)
		for i := range layers {
			c.ids["layer:"+strings.Join(layers[:i+1], "/")] = storetest.ChainID(layers[:i+1]...)
		}
	}
	made := spec.Image()
	for i, part := range made.Images {
		c.ids[fmt.Sprintf("%s/%d", c.args[0], i+1)] = part.ManifestDigest()
	}
	return c.add(c.args[0], made, c.args[1:])
}

// add pulls an image under names that may have its ID in them.
func (c *scriptCall) add(word string, img storetest.Image, records []string) error {
	o := fixture.NewObject(img, fixture.Snapshotter)
	c.ids[word], c.objects[word] = o.Target.Digest, o
	for i, record := range records {
		records[i] = c.expand(record)
	}
	parent := c.ids[c.values["parent"]]
	return c.engine.Pull(c.t.Context(), o, parent, records...)
}

func (c *scriptCall) tag() error {
	return c.engine.Move(c.t.Context(), c.args[1], c.ids[c.args[0]])
}

func (c *scriptCall) label() error {
	return c.engine.Label(c.t.Context(), c.ids[c.args[0]], c.values)
}

func (c *scriptCall) container() error {
	name := c.args[1]
	if name == "-" {
		name = ""
	}
	top := c.ids[c.args[2]+".top"]
	var mounts []digest.Digest
	if mounted := c.values["mounts"]; mounted != "" {
		mounts = append(mounts, c.ids[mounted+".top"])
	}
	return c.inNamespace().Run(c.t.Context(), fixture.Container{
		ID: c.args[0], Image: name, Top: top, Mounts: mounts, Running: slices.Contains(c.args, "running"),
	})
}

// inNamespace is the engine for the namespace that is given.
func (c *scriptCall) inNamespace() *fixture.Engine {
	if c.values["namespace"] == "" {
		return c.engine
	}
	return &fixture.Engine{
		Services: c.process.Services, Namespace: c.values["namespace"], Snapshotter: fixture.Snapshotter, Runner: c.process.Tasks,
	}
}

func (c *scriptCall) docker() error {
	return c.engine.DockerContainer(c.t.Context(), c.args[0], c.ids[c.args[1]+".top"])
}

func (c *scriptCall) mount() error {
	lease := ""
	if len(c.args) > 2 {
		lease = c.args[2]
	}
	return c.engine.Mount(c.t.Context(), c.args[0], c.ids[c.args[1]+".top"], lease)
}

func (c *scriptCall) start() error { return c.engine.Start(c.t.Context(), c.args[0]) }

func (c *scriptCall) halt() error { return c.engine.Stop(c.t.Context(), c.args[0]) }

func (c *scriptCall) discard() error {
	return c.engine.RemoveContainer(c.t.Context(), c.args[0])
}

func (c *scriptCall) lease() error {
	ctx := c.engine.In(c.t.Context())
	opts := []leases.Opt{leases.WithID(c.args[0])}
	if text := c.values["for"]; text != "" {
		d, err := time.ParseDuration(text)
		c.ts.Check(err)
		opts = append(opts, leases.WithExpiration(d))
	}
	made, err := c.process.Services.Leases.Create(ctx, opts...)
	if err != nil {
		return err
	}
	for _, word := range c.args[1:] {
		resource := leases.Resource{ID: c.ids[word].String(), Type: "content"}
		if err := c.process.Services.Leases.AddResource(ctx, made, resource); err != nil {
			return err
		}
	}
	return nil
}

func (c *scriptCall) write() error {
	c.ids["blob "+c.args[0]] = digest.FromString(c.args[0])
	return c.engine.Write(c.t.Context(), []byte(c.args[0]), c.args[1])
}
