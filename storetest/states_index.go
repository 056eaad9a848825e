package storetest

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// newMulti is an index of four images and an attestation, of which the last two
// lie in an index in it.
func newMulti() IndexSpec {
	return IndexSpec{
		Name: "multi",
		Images: []Spec{
			{Name: "on amd64", Layers: []string{"os", "amd64"}},
			{Name: "on arm64", Layers: []string{"os", "lib", "arm64"}, Platform: linux("arm64")},
		},
		Attested: []int{1},
		Indexes: []IndexSpec{{
			Name: "inner",
			Images: []Spec{
				{Name: "on s390x", Layers: []string{"s390x"}, Platform: linux("s390x")},
				{Name: "on riscv64", Layers: []string{"riscv64"}, Platform: linux("riscv64")},
			},
		}},
	}
}

// withoutARM is the index without an image and what attests it.
func withoutARM() IndexSpec {
	spec := newMulti()
	spec.Images, spec.Attested = spec.Images[:1], nil
	return spec
}

// parts are the manifests of an index, in its order.
func parts(img Image) []Image {
	var all []Image
	for _, part := range img.Images {
		if part.Index != nil {
			all = append(all, parts(part)...)
		} else {
			all = append(all, part)
		}
	}
	return all
}

// manifests are the digests of those parts of multi.
func manifests(at ...int) []digest.Digest {
	all := parts(newMulti().Image())
	var found []digest.Digest
	for _, i := range at {
		found = append(found, all[i].ManifestDigest())
	}
	return found
}

// arm are the places in multi of an image and of what attests it.
func arm() []digest.Digest { return manifests(1, 2) }

// indexed has the index with references and a child, an image that shares layers
// with it, and one that has the very manifest of one of its images.
func indexed() State {
	multi := newMulti().Image()
	child := Spec{Name: "child", Layers: []string{"child"}, Parent: multi.ID()}.Image()
	shares := Spec{Name: "shares", Layers: []string{"os", "lib"}}.Image()
	return State{
		Images: []Image{multi, child, shares, Spec{Name: "on riscv64", Layers: []string{"riscv64"}, Platform: linux("riscv64")}.listed()},
		References: []Reference{
			{Name: "multi:1", Image: multi.ID()},
			{Name: "multi:latest", Image: multi.ID()},
			{Name: "multi@" + multi.ID().String(), Image: multi.ID()},
			{Name: "shares:1", Image: shares.ID()},
		},
	}
}

// indexedTwice has besides what the index becomes without an image.
func indexedTwice() State {
	st, less := indexed(), withoutARM().Image()
	st.Images = append(st.Images, less, Spec{Name: "grandchild", Parent: less.ID()}.Image())
	st.References = append(st.References, Reference{Name: "less:1", Image: less.ID()})
	return st
}

// linux is a platform of Linux.
func linux(architecture string) ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: architecture}
}
