package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// imageCases are the promises of ImageStore but those about layers.
func imageCases() []testCase {
	return []testCase{
		{
			name: "images/get", state: images, f: getImages,
			explanation: "Get returns the record of the image: its ID, parent, time, platform, labels and topmost layer as the configuration has them",
		},
		{
			name: "images/content", state: images, needs: contents, f: imageContent,
			explanation: "an image's Content is its own data, and its Size the bytes of that and of all its layers",
		},
		{
			name: "images/get missing", rule: "E1", state: images, f: getMissingImage,
			explanation: "the error of Get is of class NotFound alone when there is no such image",
		},
		{
			name: "images/search", rule: "R3", state: crowd, f: search,
			explanation: "Search returns the IDs that begin with the prefix, which is algorithm:hex or hex alone, sorted; no match is no error",
		},
		{
			name: "images/children", state: images, needs: parents, f: children,
			explanation: "Children returns the IDs of the images whose parent it is, sorted, and none for an image that has none or is not there",
		},
		{
			name: "images/all", rule: "P6", state: crowd, f: allImages,
			explanation: "All yields every image once, sorted by ID, as Get returns it, again each time it is ranged over",
		},
		{
			name: "images/delete", rule: "D12", state: images, f: deleteImage,
			explanation: "Delete removes the record of the image, so that no method finds it any more",
		},
		{
			name: "images/delete parent", state: images, needs: parents, f: deleteParent,
			explanation: "Delete removes the links from the children: their parent is empty afterwards",
		},
		{
			name: "images/delete missing", rule: "D15", state: images, f: deleteMissingImage,
			explanation: "the error of Delete is of class NotFound when there is no such image, so that of two deletions only one succeeds, and nothing changes",
		},
		{
			name: "images/owned", state: images, f: ownedImages,
			explanation: "what a method returns belongs to the caller, who may change it without changing the store",
		},
	}
}

func getImages(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, made := range p.state.Images {
			got, err := stores.Images.Get(ctx, made.ID())
			if err != nil {
				return err
			}
			want, _, err := made.Record()
			if err != nil {
				return err
			}
			if err := same("image", identity(got), identity(want)); err != nil {
				return err
			}
		}
		return nil
	})
}

// identity is an image without what depends on the store's content.
func identity(img imagestore.Image) string {
	return fmt.Sprintf("%s parent=%s created=%s platform=%v labels=%v layer=%s",
		img.ID, img.Parent, timeText(img.Created), img.Platform, img.Labels, img.Layer)
}

func imageContent(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, made := range p.state.Images {
			got, err := stores.Images.Get(ctx, made.ID())
			if err != nil {
				return err
			}
			want, _, err := made.Record()
			if err != nil {
				return err
			}
			for _, more := range p.own(made)[1:] {
				want.Content = append(want.Content, content(more))
				want.Size += int64(len(more))
			}
			err = firstError(
				same("size of "+string(got.ID), got.Size, want.Size),
				same("content of "+string(got.ID), contentText(got.Content), contentText(want.Content)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func getMissingImage(ctx context.Context, p *probe) error {
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		got, err := stores.Images.Get(ctx, missing())
		return firstError(classed("Get", err, "NotFound"), same("the image with it", got.ID, ""))
	})
}

func search(ctx context.Context, p *probe) error {
	all := make([]digest.Digest, 0, len(p.state.Images))
	for _, img := range p.state.Images {
		all = append(all, img.ID())
	}
	slices.Sort(all)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for _, prefix := range prefixes(all) {
			want := slices.DeleteFunc(slices.Clone(all), func(id digest.Digest) bool {
				return !strings.HasPrefix(id.String(), prefix) && !strings.HasPrefix(id.Encoded(), prefix)
			})
			got, err := stores.Images.Search(ctx, prefix)
			if err != nil {
				return err
			}
			if err := same("Search of "+prefix, got, want); err != nil {
				return err
			}
		}
		return nil
	})
}

// prefixes are of all lengths, with and without algorithm, and some that fit
// nothing.
func prefixes(ids []digest.Digest) []string {
	found := []string{strings.Repeat("0", 64), "sha512:" + ids[0].Encoded()[:4], "ffffffff", "sha256:ffffffff"}
	for _, hex := range "0123456789abcdef" {
		found = append(found, string(hex), "sha256:"+string(hex))
	}
	for _, n := range []int{2, 4, 12, 63, 64} {
		found = append(found, ids[0].Encoded()[:n], ids[1].String()[:len("sha256:")+n])
	}
	return found
}

func children(ctx context.Context, p *probe) error {
	f := newFamily()
	want := []digest.Digest{f.app.ID(), f.tool.ID()}
	slices.Sort(want)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		for id, want := range map[digest.Digest][]digest.Digest{f.base.ID(): want, f.app.ID(): nil, missing(): nil} {
			got, err := stores.Images.Children(ctx, id)
			if err != nil {
				return err
			}
			if err := same("Children of "+id.String(), got, want); err != nil {
				return err
			}
		}
		return nil
	})
}

func allImages(ctx context.Context, p *probe) error {
	want := make([]digest.Digest, 0, len(p.state.Images))
	for _, img := range p.state.Images {
		want = append(want, img.ID())
	}
	slices.Sort(want)
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		all := stores.Images.All(ctx)
		if err := first(all); err != nil {
			return err
		}
		var got []digest.Digest
		for img, err := range all {
			if err != nil {
				return err
			}
			alone, err := stores.Images.Get(ctx, img.ID)
			if err := firstError(err, same("image of All", img, alone)); err != nil {
				return err
			}
			got = append(got, img.ID)
		}
		return same("IDs of All", got, want)
	})
}

func deleteImage(ctx context.Context, p *probe) error {
	id := newFamily().app.ID()
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Delete(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		if err := classed("Get of the deleted image", err, "NotFound"); err != nil {
			return err
		}
		found, err := stores.Images.Search(ctx, id.String())
		if err := firstError(err, same("Search of the deleted image", found, "[]")); err != nil {
			return err
		}
		base := newFamily().base.ID()
		want := slices.DeleteFunc(p.childrenOf(base), func(child digest.Digest) bool { return child == id })
		siblings, err := stores.Images.Children(ctx, base)
		if err := firstError(err, same("the parent's children", siblings, want)); err != nil {
			return err
		}
		for img, err := range stores.Images.All(ctx) {
			if err != nil || img.ID == id {
				return fmt.Errorf("all images: got %s, %s", img.ID, said(err))
			}
		}
		return nil
	})
}

func deleteParent(ctx context.Context, p *probe) error {
	f := newFamily()
	err := p.backend.Update(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Delete(ctx, f.base.ID())
		return err
	})
	if err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		children, err := stores.Images.Children(ctx, f.base.ID())
		if err := firstError(err, same("children of the deleted image", children, "[]")); err != nil {
			return err
		}
		for _, id := range []digest.Digest{f.app.ID(), f.tool.ID()} {
			img, err := stores.Images.Get(ctx, id)
			if err := firstError(err, same("parent of a child", img.Parent, "")); err != nil {
				return err
			}
		}
		return nil
	})
}

func deleteMissingImage(ctx context.Context, p *probe) error {
	id := newFamily().lone.ID()
	err := p.unchanged(ctx, func() error {
		return p.backend.Update(ctx, func(stores jettison.Stores) error {
			removed, err := stores.Images.Delete(ctx, missing())
			return firstError(classed("Delete of a missing image", err, "NotFound"), same("what it removed", len(removed.Layers), 0))
		})
	})
	if err != nil {
		return err
	}
	remove := func() (deleted error) {
		err := p.backend.Update(ctx, func(stores jettison.Stores) error {
			_, deleted = stores.Images.Delete(ctx, id)
			return nil
		})
		return firstError(err, deleted)
	}
	return firstError(remove(), classed("the second Delete of one image", remove(), "NotFound"))
}

func ownedImages(ctx context.Context, p *probe) error {
	f := newFamily()
	return p.unchanged(ctx, func() error {
		return p.backend.View(ctx, func(stores jettison.Stores) error {
			img, err := stores.Images.Get(ctx, f.app.ID())
			if err != nil {
				return err
			}
			layer, err := stores.Images.Layer(ctx, img.Layer)
			if err != nil {
				return err
			}
			children, err := stores.Images.Children(ctx, f.base.ID())
			if err != nil {
				return err
			}
			img.Labels["a"] = "changed"
			clear(img.Content)
			clear(layer.Content)
			clear(children)
			again, err := stores.Images.Children(ctx, f.base.ID())
			return firstError(err, same("children", again, p.childrenOf(f.base.ID())))
		})
	})
}
