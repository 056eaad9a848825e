package transfer

import (
	"context"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// A pick is an image that was asked for and the tags by which it was.
type pick struct {
	image imagestore.Image
	names nameList
}

// A picker finds the images that references mean, each once.
type picker struct {
	src     Source
	service *jettison.Service
	picks   []*pick
}

// pickAll returns the images that refs mean, in their order; without refs, all
// images and all their tags, sorted by ID. As with docker save, the name of a
// repository alone means all its tags, and an ID or a digest the image without
// a name.
func pickAll(ctx context.Context, src Source, refs []string) ([]*pick, error) {
	p := &picker{src: src, service: jettison.New(src, nil)}
	if len(refs) == 0 {
		err := p.everything(ctx)
		return p.picks, err
	}
	for _, ref := range refs {
		if err := p.add(ctx, ref); err != nil {
			return nil, err
		}
	}
	return p.picks, nil
}

// add takes the images that one text means.
func (p *picker) add(ctx context.Context, ref string) error {
	tags, err := p.tagsOf(ctx, ref)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		tags = []string{ref}
	}
	for _, tag := range tags {
		found, err := p.service.Resolve(ctx, tag)
		if err != nil {
			return err
		}
		p.take(found.Image, found.Reference)
	}
	return nil
}

// tagsOf returns the tags of the repository that ref names, if it is the mere
// name of one. What could be the whole ID of an image is not.
func (p *picker) tagsOf(ctx context.Context, ref string) (tags []string, err error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || !reference.IsNameOnly(named) {
		return nil, nil //nolint:nilerr // resolving it says what is wrong
	}
	err = p.src.View(ctx, func(stores jettison.Stores) error {
		tags = nil
		for assoc, err := range stores.References.All(ctx) {
			if err != nil {
				return err
			}
			if _, tagged := assoc.Ref.(reference.Tagged); tagged && assoc.Ref.Name() == named.Name() {
				tags = append(tags, assoc.Ref.String())
			}
		}
		return nil
	})
	return tags, err
}

// take adds a name, if it is a tag, to the image.
func (p *picker) take(img imagestore.Image, ref reference.Named) {
	i := slices.IndexFunc(p.picks, func(old *pick) bool { return old.image.ID == img.ID })
	if i < 0 {
		p.picks = append(p.picks, &pick{image: img})
		i = len(p.picks) - 1
	}
	if _, tagged := ref.(reference.Tagged); !tagged {
		return
	}
	p.picks[i].names.add(ref)
}

// everything takes all images.
func (p *picker) everything(ctx context.Context) error {
	return p.src.View(ctx, func(stores jettison.Stores) error {
		p.picks = nil
		for img, err := range stores.Images.All(ctx) {
			if err != nil {
				return err
			}
			names, err := tagsOfImage(ctx, stores, img.ID)
			if err != nil {
				return err
			}
			p.picks = append(p.picks, &pick{image: img, names: listOf(names)})
		}
		return nil
	})
}

// tagsOfImage returns the tags of the image, sorted.
func tagsOfImage(ctx context.Context, stores jettison.Stores, id digest.Digest) ([]reference.Named, error) {
	refs, err := stores.References.References(ctx, id)
	return slices.DeleteFunc(refs, func(ref reference.Named) bool {
		_, tagged := ref.(reference.Tagged)
		return !tagged
	}), err
}
