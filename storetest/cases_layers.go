package storetest

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// layerCases are the promises about layers and content (rule D12).
func layerCases() []testCase {
	return []testCase{
		{
			name: "layers/get", rule: "D12", state: images, f: getLayers,
			explanation: "Layer returns the record of the layer, and counts as its holders the images whose topmost layer it is and the layers directly above it",
		},
		{
			name: "layers/content", state: images, needs: contents, f: layerContents,
			explanation: "a layer's Content is the data it occupies",
		},
		{
			name: "layers/get missing", rule: "E1", state: images, f: getMissingLayer,
			explanation: "the error of Layer is of class NotFound alone when there is no such layer",
		},
		{
			name: "layers/removed", rule: "D12", state: images, f: removedLayers,
			explanation: "Delete removes each layer that nothing else holds and returns it, top to base",
		},
		{
			name: "layers/shared", rule: "D12", state: images, f: sharedLayers,
			explanation: "a layer stays while another image or layer holds it, and goes with the last one",
		},
		{
			name: "layers/removed content", rule: "P7", state: images, needs: contents, f: removedContent,
			explanation: "Delete returns the data that went: the image's own, then that of its layers from top to base",
		},
		{
			name: "layers/shared content", rule: "P7", state: sharedContent, needs: contents, f: removedSharedContent,
			explanation: "data that two layers hold is counted twice and goes with the last of them, once",
		},
	}
}

func getLayers(ctx context.Context, p *probe) error {
	want := []imagestore.Layer{
		{ChainID: ChainID("os"), DiffID: DiffID("os"), Holders: 3}, // base, lib, tool
		{ChainID: ChainID("os", "lib"), DiffID: DiffID("lib"), Parent: ChainID("os"), Holders: 1},
		{ChainID: ChainID("os", "lib", "app"), DiffID: DiffID("app"), Parent: ChainID("os", "lib"), Holders: 2}, // app, twin
		{ChainID: ChainID("lone"), DiffID: DiffID("lone"), Holders: 1},
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, want := range want {
			got, err := stores.Images.Layer(ctx, want.ChainID)
			got.Content = nil
			if err := firstError(err, same("layer", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))); err != nil {
				return err
			}
		}
		return nil
	})
}

func layerContents(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, made := range p.state.Images {
			_, layers, err := made.Record()
			if err != nil {
				return err
			}
			for _, want := range layers {
				got, err := stores.Images.Layer(ctx, want.ChainID)
				if err := firstError(err, same("content of layer", contentText(got.Content), contentText(want.Content))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func getMissingLayer(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Layer(ctx, missing())
		return classed("Layer", err, "NotFound")
	})
}

// remove deletes an image past the service.
func (p *probe) remove(ctx context.Context, id digest.Digest) (removed imagestore.Removed, err error) {
	err = p.backend.Update(ctx, func(stores jettison.Stores) error {
		var err error
		removed, err = stores.Images.Delete(ctx, id)
		return err
	})
	return removed, err
}

// removes deletes an image and compares the layers that went.
func (p *probe) removes(ctx context.Context, img Image, want ...digest.Digest) error {
	removed, err := p.remove(ctx, img.ID())
	if err != nil {
		return err
	}
	if err := same("layers that went", chainIDs(removed), want); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, chain := range want {
			_, err := stores.Images.Layer(ctx, chain)
			if err := classed("Layer of one that went", err, "NotFound"); err != nil {
				return err
			}
		}
		return nil
	})
}

func chainIDs(removed imagestore.Removed) []digest.Digest {
	var chains []digest.Digest
	for _, layer := range removed.Layers {
		chains = append(chains, layer.ChainID)
	}
	return chains
}

func removedLayers(ctx context.Context, p *probe) error {
	f := newFamily()
	if err := p.removes(ctx, f.twin); err != nil {
		return err
	}
	if err := p.removes(ctx, f.bare); err != nil {
		return err
	}
	return p.removes(ctx, f.app, ChainID("os", "lib", "app"), ChainID("os", "lib"))
}

func sharedLayers(ctx context.Context, p *probe) error {
	f := newFamily()
	holders := func(want int, layers ...string) error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			got, err := stores.Images.Layer(ctx, ChainID(layers...))
			return firstError(err, same("holders", got.Holders, want))
		})
	}
	steps := []func() error{
		func() error { return p.removes(ctx, f.base) },
		func() error { return holders(2, "os") },
		func() error { return p.removes(ctx, f.app) },
		func() error { return holders(1, "os", "lib", "app") },
		func() error { return p.removes(ctx, f.tool, ChainID("os", "tool")) },
		func() error { return holders(1, "os") },
		func() error {
			return p.removes(ctx, f.twin, ChainID("os", "lib", "app"), ChainID("os", "lib"), ChainID("os"))
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func removedContent(ctx context.Context, p *probe) error {
	f := newFamily()
	first, err := p.remove(ctx, f.twin.ID())
	if err != nil {
		return err
	}
	second, err := p.remove(ctx, f.app.ID())
	if err != nil {
		return err
	}
	layers := f.app.Layers
	return firstError(
		sameContent(first, p.own(f.twin)),
		sameContent(second, append(p.own(f.app), layers[2], layers[1])))
}

// sameContent compares what went with data, in this order.
func sameContent(removed imagestore.Removed, want [][]byte) error {
	var g, w []string
	for _, c := range removed.Content {
		g = append(g, fmt.Sprintf("%s (%d bytes)", c.Digest, c.Size))
	}
	for _, data := range want {
		c := content(data)
		w = append(w, fmt.Sprintf("%s (%d bytes)", c.Digest, c.Size))
	}
	return same("content that went", g, w)
}

func removedSharedContent(ctx context.Context, p *probe) error {
	one, two := p.state.Images[0], p.state.Images[1]
	err := p.backend.View(ctx, func(stores jettison.Stores) error {
		layer, err := stores.Images.Layer(ctx, ChainID("equal-1"))
		if err != nil || len(layer.Content) != 1 {
			return firstError(err, fmt.Errorf("content of the layer: got %v, want one", layer.Content))
		}
		return same("holders of the content", layer.Content[0].Holders, 2)
	})
	if err != nil {
		return err
	}
	first, err := p.remove(ctx, one.ID())
	if err != nil {
		return err
	}
	second, err := p.remove(ctx, two.ID())
	if err != nil {
		return err
	}
	return firstError(sameContent(first, p.own(one)), sameContent(second, append(p.own(two), two.Layers[0])))
}
