package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// platformCases are the promises of PlatformStore.
func platformCases() []testCase {
	return []testCase{
		{
			name: "platforms/index", rule: "M1", state: indexed, needs: platforms, f: getIndex,
			explanation: "an index is one image with its manifests in order, those of an index in it too, each with its platform, its topmost layer and the manifest that it is about, and with the digests of the indexes in it; none of all these is an image",
		},
		{
			name: "platforms/without", rule: "M2", state: indexed, needs: platforms, f: without,
			explanation: "Without returns the image that Replace makes, and changes nothing",
		},
		{
			name: "platforms/replace", rule: "M2", state: indexed, needs: platforms, f: replace,
			explanation: "Replace writes the index anew without the manifests, and the indexes in it; every other byte stays, an index that is left without entries goes, and the ID is the digest of what was written",
		},
		{
			name: "platforms/references", rule: "M2", state: indexed, needs: platforms, f: moveReferences,
			explanation: "after Replace whatever named the index names the new one, references with a digest too",
		},
		{
			name: "platforms/children", rule: "M2", state: indexed, needs: platforms | parents, f: moveChildren,
			explanation: "after Replace the children of the index are those of the new one",
		},
		{
			name: "platforms/removed", rule: "M3", state: indexed, needs: platforms, f: removedPlatforms,
			explanation: "Replace returns the layers that nothing else holds, from top to base; what another manifest, index or image holds stays",
		},
		{
			name: "platforms/removed content", rule: "M3", state: indexed, needs: platforms | contents, f: removedPlatformContent,
			explanation: "Replace returns the data that went, each piece once: of the manifests what nothing else holds, and of the layers",
		},
		{
			name: "platforms/existing", rule: "M2", state: indexedTwice, needs: platforms, f: replaceByExisting,
			explanation: "where there is an image of the new ID, that one stays as it is and gets the references and children",
		},
		{
			name: "platforms/nothing", rule: "M2", state: indexed, needs: platforms, f: replaceNothing,
			explanation: "without a manifest to take out, Without and Replace return the index and change nothing",
		},
		{
			name: "platforms/errors", rule: "E1", state: indexed, needs: platforms, f: refusedPlatforms,
			explanation: "the errors of Without and Replace are of class InvalidArgument for what is no index, and when nothing would be left, and of class NotFound for an image or a manifest that is not there; nothing changes",
		},
		{
			name: "platforms/view", state: indexed, needs: platforms, f: replaceInView,
			explanation: "through a View Without works, and Replace is an error and changes nothing",
		},
		{
			name: "platforms/rollback", rule: "D14", state: indexed, needs: platforms | atomic, f: replaceAndFail,
			explanation: "when the function of Update fails after Replace, nothing has changed",
		},
		{
			name: "platforms/referrers", rule: "M3", state: signedIndex, needs: platforms | referrers, f: referrersOfReplaced,
			explanation: "after Replace what is about a manifest or an index that stayed is about the new index; what is about the old one, or about a manifest that went, is about nothing",
		},
		{
			name: "platforms/context", state: indexed, needs: platforms, f: cancelledPlatforms,
			explanation: "Without and Replace obey their context before anything has changed",
		},
		{
			name: "platforms/service", rule: "M2", state: indexed, needs: platforms, f: servicePlatforms,
			explanation: "a deletion by force with a platform takes its manifests out of the index, with the attestations about them and the layers that nothing else holds",
		},
	}
}

// text is a record to be compared.
func text(img imagestore.Image) string { return fmt.Sprintf("%+v", img) }

// replaced takes manifests out of an index, in an update of its own.
func (p *probe) replaced(ctx context.Context, index digest.Digest, manifests []digest.Digest) (img imagestore.Image, removed imagestore.Removed, err error) {
	err = p.backend.Update(ctx, func(stores jettison.Stores) error {
		indexes, err := able(stores.Images.Platforms)
		if err == nil {
			img, removed, err = indexes.Replace(ctx, index, manifests)
		}
		return err
	})
	return img, removed, err
}

// foretold is the image that taking manifests out of multi would make.
func (p *probe) foretold(ctx context.Context, manifests []digest.Digest) (img imagestore.Image, err error) {
	err = p.backend.View(ctx, func(stores jettison.Stores) error {
		indexes, err := able(stores.Images.Platforms)
		if err == nil {
			img, err = indexes.Without(ctx, newMulti().Image().ID(), manifests)
		}
		return err
	})
	return img, err
}

func getIndex(ctx context.Context, p *probe) error {
	multi := newMulti().Image()
	all := parts(multi)
	platform := []ocispec.Platform{linux("amd64"), linux("arm64"), {OS: "unknown", Architecture: "unknown"}, linux("s390x"), linux("riscv64")}
	tops := []digest.Digest{ChainID("os", "amd64"), ChainID("os", "lib", "arm64"), "", ChainID("s390x"), ChainID("riscv64")}
	subjects := []digest.Digest{"", "", all[1].ManifestDigest(), "", ""}
	var want []imagestore.Manifest
	for i, part := range all {
		want = append(want, imagestore.Manifest{Digest: part.ManifestDigest(), Platform: platform[i], Layer: tops[i], Subject: subjects[i]})
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		got, err := stores.Images.Get(ctx, multi.ID())
		if err != nil {
			return err
		}
		for i := range got.Manifests {
			got.Manifests[i].Content = nil
		}
		err = firstError(same("ID", got.ID, multi.ID()), same("manifests", fmt.Sprintf("%+v", got.Manifests), fmt.Sprintf("%+v", want)), same("layer", got.Layer, ""),
			same("indexes", got.Indexes, []digest.Digest{multi.Images[len(multi.Images)-1].ID()}))
		if err != nil {
			return err
		}
		for _, id := range append(manifests(0, 1, 2, 3, 4), multi.Images[len(multi.Images)-1].ID()) {
			_, err := stores.Images.Get(ctx, id)
			if err := classed("Get of what an index lists", err, "NotFound"); err != nil {
				return err
			}
		}
		return nil
	})
}

func without(ctx context.Context, p *probe) error {
	var want imagestore.Image
	err := p.unchanged(ctx, func() (err error) {
		want, err = p.foretold(ctx, arm())
		return err
	})
	if err != nil {
		return err
	}
	got, _, err := p.replaced(ctx, newMulti().Image().ID(), arm())
	return firstError(err, same("the image that Replace made", text(got), text(want)))
}

// replace takes out first two manifests, then one of the inner index, then the
// rest of that.
func replace(ctx context.Context, p *probe) error {
	last := withoutARM()
	last.Indexes = nil
	inner := withoutARM()
	inner.Indexes[0].Images = inner.Indexes[0].Images[1:]
	index := newMulti().Image().ID()
	for _, step := range []struct {
		manifests []digest.Digest
		want      IndexSpec
	}{{arm(), withoutARM()}, {manifests(3), inner}, {manifests(4), last}} {
		want := step.want.Image()
		got, _, err := p.replaced(ctx, index, step.manifests)
		if err := firstError(err, same("ID of the new index", got.ID, want.ID())); err != nil {
			return err
		}
		err = p.backend.View(ctx, func(stores jettison.Stores) error {
			_, err := stores.Images.Get(ctx, index)
			if err := classed("Get of the old index", err, "NotFound"); err != nil {
				return err
			}
			record, err := stores.Images.Get(ctx, want.ID())
			return firstError(err, same("record of the new index", text(record), text(got)))
		})
		if err != nil {
			return err
		}
		if p.cfg.Document != nil {
			if err := same("document", string(p.cfg.Document(p.t, p.backend, want.ID())), string(want.Index)); err != nil {
				return err
			}
		}
		index = want.ID()
	}
	return nil
}

// named by are the references to an image, and what each of them means.
func namedBy(ctx context.Context, stores jettison.Stores, id digest.Digest, want ...string) error {
	refs, err := stores.References.References(ctx, id)
	if err := firstError(err, same("references of "+id.String(), full(refs), fullNames(want...))); err != nil {
		return err
	}
	for _, ref := range refs {
		means, err := stores.References.Get(ctx, ref)
		if err := firstError(err, same("what "+ref.String()+" means", means, id)); err != nil {
			return err
		}
	}
	return nil
}

func moveReferences(ctx context.Context, p *probe) error {
	multi := newMulti().Image()
	got, _, err := p.replaced(ctx, multi.ID(), arm())
	if err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		return firstError(
			namedBy(ctx, stores, got.ID, "multi:1", "multi:latest", "multi@"+multi.ID().String()),
			namedBy(ctx, stores, multi.ID()))
	})
}

func moveChildren(ctx context.Context, p *probe) error {
	multi := newMulti().Image()
	children := p.childrenOf(multi.ID())
	got, _, err := p.replaced(ctx, multi.ID(), arm())
	if err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		now, err := stores.Images.Children(ctx, got.ID)
		if err := firstError(err, same("children of the new index", now, children)); err != nil {
			return err
		}
		before, err := stores.Images.Children(ctx, multi.ID())
		if err := firstError(err, same("children of the old index", before, "[]")); err != nil {
			return err
		}
		child, err := stores.Images.Get(ctx, children[0])
		return firstError(err, same("parent of a child", child.Parent, got.ID))
	})
}

func removedPlatforms(ctx context.Context, p *probe) error {
	_, removed, err := p.replaced(ctx, newMulti().Image().ID(), append(arm(), manifests(4)...))
	if err := firstError(err, same("layers that went", chainIDs(removed), []digest.Digest{ChainID("os", "lib", "arm64")})); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Layer(ctx, ChainID("os", "lib", "arm64"))
		if err := classed("Layer of one that went", err, "NotFound"); err != nil {
			return err
		}
		for chain, holders := range map[digest.Digest]int{
			ChainID("os", "lib"): 1, ChainID("os"): 2, ChainID("riscv64"): 1, ChainID("s390x"): 1,
		} {
			layer, err := stores.Images.Layer(ctx, chain)
			if err := firstError(err, same("holders of "+chain.String(), layer.Holders, holders)); err != nil {
				return err
			}
		}
		return nil
	})
}

// removedPlatformContent leaves open whether the documents of indexes are content
// of the store.
func removedPlatformContent(ctx context.Context, p *probe) error {
	all := parts(newMulti().Image())
	_, removed, err := p.replaced(ctx, newMulti().Image().ID(), append(arm(), manifests(4)...))
	if err != nil {
		return err
	}
	times := make(map[digest.Digest]int)
	for _, c := range removed.Content {
		times[c.Digest]++
	}
	went := [][]byte{all[1].Config, all[1].Manifest, all[2].Config, all[2].Manifest, all[1].Layers[2]}
	for _, data := range went {
		if err := same("times that content of the platform went", times[digest.FromBytes(data)], 1); err != nil {
			return err
		}
	}
	for _, data := range [][]byte{all[0].Config, all[0].Manifest, all[1].Layers[0], all[1].Layers[1], all[3].Manifest, all[4].Config, all[4].Manifest, all[4].Layers[0]} {
		if err := same("times that content went which others hold", times[digest.FromBytes(data)], 0); err != nil {
			return err
		}
	}
	return nil
}

func replaceByExisting(ctx context.Context, p *probe) error {
	multi, less := newMulti().Image(), withoutARM().Image()
	record := func() (img imagestore.Image, err error) {
		err = p.backend.View(ctx, func(stores jettison.Stores) error {
			img, err = stores.Images.Get(ctx, less.ID())
			return err
		})
		for i := range img.Content { // who else holds it changes
			img.Content[i].Holders = 0
		}
		for _, m := range img.Manifests {
			for i := range m.Content {
				m.Content[i].Holders = 0
			}
		}
		return img, err
	}
	before, err := record()
	if err != nil {
		return err
	}
	children := sorted(append(p.childrenOf(multi.ID()), p.childrenOf(less.ID())...))
	got, _, err := p.replaced(ctx, multi.ID(), arm())
	if err := firstError(err, same("ID", got.ID, less.ID())); err != nil {
		return err
	}
	after, err := record()
	if err := firstError(err, same("the image that was there", text(after), text(before))); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, multi.ID())
		if err := classed("Get of the old index", err, "NotFound"); err != nil {
			return err
		}
		now, err := stores.Images.Children(ctx, less.ID())
		return firstError(err, same("children", now, children),
			namedBy(ctx, stores, less.ID(), "less:1", "multi:1", "multi:latest", "multi@"+multi.ID().String()))
	})
}

func referrersOfReplaced(ctx context.Context, p *probe) error {
	multi := p.state.Images[0]
	got, _, err := p.replaced(ctx, multi.ID(), manifests(3))
	if err != nil {
		return err
	}
	less := newMulti()
	less.Indexes[0].Images = less.Indexes[0].Images[1:]
	p.state.Images = slices.Clone(p.state.Images)
	p.state.Images[0] = less.Image()
	return firstError(
		same("ID of the new index", got.ID, p.state.Images[0].ID()),
		p.related(ctx, relation{p.state.Images[2].ID(): {got.ID}})) // the inner index is another one too
}

func servicePlatforms(ctx context.Context, p *probe) error {
	var want []jettison.DeleteResponse
	for _, id := range append(arm(), ChainID("os", "lib", "arm64")) {
		want = append(want, jettison.DeleteResponse{Deleted: id.String()})
	}
	opts := jettison.RemoveOptions{Force: true, Platforms: []ocispec.Platform{linux("arm64")}}
	if err := p.deletes(ctx, "multi:1", opts, want...); err != nil {
		return err
	}
	return p.backend.View(ctx, func(stores jettison.Stores) error {
		id, err := stores.References.Get(ctx, named("multi:1"))
		return firstError(err, same("what multi:1 means", id, withoutARM().Image().ID()))
	})
}
