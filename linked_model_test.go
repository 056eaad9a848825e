package jettison_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/storetest"
)

// linked is a store of indexes and of what is about images in the plainest form,
// written from the rules M1 to M3 and S1 to S5. Uses are containers alone, and
// nothing has a parent: that is [model]'s part.
type linked struct {
	images     map[digest.Digest]linkedImage
	refs       map[string]modelRef
	containers map[string]jettison.Container
}

// A linkedImage is what an image is made of. One of them never changes.
type linkedImage struct {
	made storetest.Image
	spec storetest.Spec      // of an image
	list storetest.IndexSpec // of an index
	// subject is what an artifact names.
	subject digest.Digest
	// parts are the manifests of an index, in its order.
	parts []linkedPart
	// digests are those by which others are about the image (S1): the first is
	// its ID.
	digests []digest.Digest
}

func (i linkedImage) id() digest.Digest { return i.digests[0] }

func (i linkedImage) isIndex() bool { return i.made.Index != nil }

// plainImage has a manifest, by which others can be about it.
func plainImage(spec storetest.Spec) linkedImage {
	made := storetest.IndexSpec{Images: []storetest.Spec{spec}}.Image().Images[0]
	return linkedImage{made: made, spec: spec, digests: []digest.Digest{made.ID(), made.ManifestDigest()}}
}

func artifactImage(name string, subject digest.Digest) linkedImage {
	made := storetest.ArtifactSpec{Name: name, Subject: subject}.Image()
	return linkedImage{made: made, subject: subject, digests: []digest.Digest{made.ID()}}
}

func indexImage(spec storetest.IndexSpec) linkedImage {
	made := spec.Image()
	img := linkedImage{made: made, list: spec, parts: partsOf(spec, made), digests: []digest.Digest{made.ID()}}
	for _, part := range img.parts {
		img.digests = append(img.digests, part.digest)
	}
	for _, inner := range made.Images {
		if inner.Index != nil {
			img.digests = append(img.digests, inner.ID())
		}
	}
	return img
}

// A linkedPart is a manifest of an index.
type linkedPart struct {
	digest   digest.Digest
	platform ocispec.Platform
	about    digest.Digest
	layers   []string
}

func partsOf(spec storetest.IndexSpec, made storetest.Image) []linkedPart {
	var all []linkedPart
	for i, member := range spec.Images {
		all = append(all, linkedPart{digest: made.Images[i].ManifestDigest(), platform: member.Platform, layers: member.Layers})
	}
	for n, at := range spec.Attested {
		all = append(all, linkedPart{digest: made.Images[len(spec.Images)+n].ManifestDigest(), about: all[at].digest})
	}
	for n, inner := range spec.Indexes {
		all = append(all, partsOf(inner, made.Images[len(spec.Images)+len(spec.Attested)+n])...)
	}
	return all
}

// without is the index without some of its parts (M2).
func (i linkedImage) without(gone map[digest.Digest]bool) linkedImage {
	less, _ := specWithout(i.list, i.parts, gone)
	return indexImage(less)
}

// specWithout takes parts of a spec, and returns those that follow them.
func specWithout(spec storetest.IndexSpec, parts []linkedPart, gone map[digest.Digest]bool) (storetest.IndexSpec, []linkedPart) {
	less := storetest.IndexSpec{Name: spec.Name}
	places := make(map[int]int)
	for at, member := range spec.Images {
		if !gone[parts[at].digest] {
			places[at] = len(less.Images)
			less.Images = append(less.Images, member)
		}
	}
	parts = parts[len(spec.Images):]
	for n, at := range spec.Attested {
		if !gone[parts[n].digest] {
			less.Attested = append(less.Attested, places[at])
		}
	}
	parts = parts[len(spec.Attested):]
	for _, inner := range spec.Indexes {
		var kept storetest.IndexSpec
		if kept, parts = specWithout(inner, parts, gone); len(kept.Images) > 0 {
			less.Indexes = append(less.Indexes, kept)
		}
	}
	return less, parts
}

// chains are the layers that the image holds by their topmost, each chain once.
func (i linkedImage) chains() map[digest.Digest][]string {
	all := make(map[digest.Digest][]string)
	add := func(layers []string) {
		if len(layers) > 0 {
			all[storetest.ChainID(layers...)] = layers
		}
	}
	add(i.spec.Layers)
	for _, part := range i.parts {
		add(part.layers)
	}
	return all
}

// layers are all layers with their holders (D12).
func (m *linked) layers() map[digest.Digest]int {
	holders, below := make(map[digest.Digest]int), make(map[digest.Digest]digest.Digest)
	for _, img := range m.images {
		for top, layers := range img.chains() {
			holders[top]++
			for i := range layers[1:] {
				below[storetest.ChainID(layers[:i+2]...)] = storetest.ChainID(layers[:i+1]...)
			}
		}
	}
	for _, layer := range below {
		holders[layer]++
	}
	return holders
}

// refsOf are the references to an image, by full string.
func (m *linked) refsOf(id digest.Digest) []reference.Named {
	var found []reference.Named
	for _, name := range slices.Sorted(maps.Keys(m.refs)) {
		if m.refs[name].id == id {
			found = append(found, m.refs[name].ref)
		}
	}
	return found
}

// subjectOf is S5.
func subjectOf(ref reference.Named) digest.Digest {
	tagged, ok := ref.(reference.Tagged)
	if !ok || !strings.HasPrefix(tagged.Tag(), "sha256-") || len(tagged.Tag()) < 64+len("sha256-") {
		return ""
	}
	hex, ending := tagged.Tag()[len("sha256-"):][:64], tagged.Tag()[64+len("sha256-"):]
	if !slices.Contains([]string{"", ".sig", ".att", ".sbom"}, ending) {
		return ""
	}
	return digest.NewDigestFromEncoded(digest.SHA256, hex)
}

// about are the digests that an image is about.
func (m *linked) about(id digest.Digest) []digest.Digest {
	var all []digest.Digest
	if subject := m.images[id].subject; subject != "" {
		all = append(all, subject)
	}
	for _, ref := range m.refsOf(id) {
		if subject := subjectOf(ref); subject != "" {
			all = append(all, subject)
		}
	}
	return all
}

func (m *linked) isAbout(id, subject digest.Digest) bool {
	digests := m.images[subject].digests
	return id != subject && slices.ContainsFunc(m.about(id), func(d digest.Digest) bool { return slices.Contains(digests, d) })
}

// subjects and referrers are the two directions.
func (m *linked) subjects(id digest.Digest) []digest.Digest {
	return m.among(func(other digest.Digest) bool { return m.isAbout(id, other) })
}

func (m *linked) referrers(id digest.Digest) []digest.Digest {
	return m.among(func(other digest.Digest) bool { return m.isAbout(other, id) })
}

func (m *linked) among(fits func(digest.Digest) bool) []digest.Digest {
	var found []digest.Digest
	for _, id := range slices.Sorted(maps.Keys(m.images)) {
		if fits(id) {
			found = append(found, id)
		}
	}
	return found
}

// held is S1: the image is about one that is there for its own sake, and not in a
// circle alone.
func (m *linked) held(id digest.Digest) bool {
	seen, reached := map[digest.Digest]bool{id: true}, m.subjects(id)
	for len(reached) > 0 {
		next := reached[0]
		reached = reached[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		more := m.subjects(next)
		if len(more) == 0 {
			return true
		}
		reached = append(reached, more...)
	}
	return false
}

// own are the references that are not for what the image is about (S5).
func own(refs []reference.Named) []reference.Named {
	return slices.DeleteFunc(slices.Clone(refs), func(ref reference.Named) bool { return subjectOf(ref) != "" })
}

// dump is the state in lines; dumpOf makes them of a store.
func (m *linked) dump() []string {
	var lines []string
	for id, img := range m.images {
		var parts []digest.Digest
		for _, part := range img.parts {
			parts = append(parts, part.digest)
		}
		lines = append(lines, fmt.Sprintf("image %s manifests=%v subject=%s", id, parts, img.subject))
		for _, subject := range m.subjects(id) {
			lines = append(lines, fmt.Sprintf("image %s is about %s", id, subject))
		}
	}
	for name, a := range m.refs {
		lines = append(lines, fmt.Sprintf("reference %s -> %s", name, a.id))
	}
	for layer, holders := range m.layers() {
		lines = append(lines, fmt.Sprintf("layer %s holders=%d", layer, holders))
	}
	return sortedOnce(lines)
}

// dumpOf are the lines of a store. Whether an image is about another is said once
// in each direction, and so once if both agree.
func dumpOf(ctx context.Context, stores jettison.Stores) ([]string, error) {
	lines, err := storetest.Dump(ctx, stores)
	if err != nil {
		return nil, err
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		kind, _, _ := strings.Cut(line, " ")
		relation := kind == "image" && strings.Contains(line, "is about") && !strings.Contains(line, "says")
		return kind != "reference" && !relation
	})
	for img, err := range stores.Images.All(ctx) {
		if err != nil {
			return nil, err
		}
		var parts []digest.Digest
		for _, part := range img.Manifests {
			parts = append(parts, part.Digest)
		}
		lines = append(lines, fmt.Sprintf("image %s manifests=%v subject=%s", img.ID, parts, img.Subject))
		for _, chain := range img.Chains() {
			for chain != "" {
				layer, err := stores.Images.Layer(ctx, chain)
				if err != nil {
					return nil, err
				}
				lines = append(lines, fmt.Sprintf("layer %s holders=%d", chain, layer.Holders))
				chain = layer.Parent
			}
		}
	}
	return sortedOnce(lines), nil
}

func sortedOnce(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}
