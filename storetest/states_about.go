package storetest

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// notes is app and what may be about it. Of the artifacts sig names the manifest
// of app and sbom its ID, and att is about sig.
type notes struct {
	app, sig, sbom, att Image
	plain               []Image // images by themselves
}

func newNotes() notes {
	n := notes{app: Spec{Name: "app", Layers: []string{"os", "app"}}.listed()}
	n.sig = ArtifactSpec{Name: "signature", Subject: n.app.ManifestDigest()}.Image()
	n.sbom = ArtifactSpec{Name: "SBOM", Subject: n.app.ID()}.Image()
	n.att = ArtifactSpec{Name: "attestation", Subject: n.sig.ID()}.Image()
	for _, name := range []string{"first", "second", "third", "fourth"} {
		n.plain = append(n.plain, Spec{Name: name, Layers: []string{"os", name}}.Image())
	}
	return n
}

// about is the name of the referrers tag schema for what is about a digest.
func about(repository string, subject digest.Digest, ending string) string {
	return repository + ":" + subject.Algorithm().String() + "-" + subject.Encoded() + ending
}

func (n notes) state(names map[string]Image) State {
	st := State{Images: append([]Image{n.app, n.sig, n.sbom, n.att}, n.plain...)}
	for name, img := range names {
		st.References = append(st.References, Reference{Name: name, Image: img.ID()})
	}
	slices.SortFunc(st.References, func(a, b Reference) int { return strings.Compare(a.Name, b.Name) })
	return st
}

// signed has artifacts that name what they are about.
func signed() State { return newNotes().state(map[string]Image{"app:1": newNotes().app}) }

// tagged has tags that say so besides: the last image has none that does.
func tagged() State {
	n := newNotes()
	return n.state(map[string]Image{
		"app:1": n.app,
		about("app", n.app.ManifestDigest(), ".sig"):       n.plain[0],
		about("app", n.app.ManifestDigest(), ".att"):       n.plain[0],
		about("quay.io/team/notes", n.app.ID(), ""):        n.plain[1],
		about("other", n.sig.ID(), ".sbom"):                n.plain[2],
		about("app", n.sig.ID(), ".att"):                   n.att, // as its manifest says
		about("app", n.app.ManifestDigest(), ".txt"):       n.plain[3],
		"app:sha256-" + n.app.ID().Encoded()[:40]:          n.plain[3],
		"fourth@" + digest.FromString("fourth").String():   n.plain[3],
		about("app", digest.FromString("missing"), ".sig"): n.plain[3],
	})
}

// circle has an image and a signature of it that are about each other, and both
// about themselves.
func circle() State {
	n := newNotes()
	return n.state(map[string]Image{
		about("app", n.app.ManifestDigest(), ""): n.app, about("app", n.sig.ID(), ".att"): n.app, about("app", n.sig.ID(), ""): n.sig,
	})
}

// orphaned has what is about nothing that is there, by its manifest and by a tag.
func orphaned() State {
	n := newNotes()
	lost := ArtifactSpec{Name: "lost", Subject: missing()}.Image()
	return State{
		Images:     []Image{lost, n.plain[0]},
		References: []Reference{{Name: about("app", missing(), ".sig"), Image: n.plain[0].ID()}},
	}
}

// signedIndex has an index and artifacts: about the index, a manifest in it, the
// index in it, and a manifest in that.
func signedIndex() State {
	multi := newMulti().Image()
	inner := multi.Images[len(multi.Images)-1]
	st := State{Images: []Image{multi}}
	for _, subject := range []digest.Digest{multi.ID(), multi.Images[0].ManifestDigest(), inner.ID(), inner.Images[0].ManifestDigest()} {
		st.Images = append(st.Images, ArtifactSpec{Name: "about a part", Subject: subject}.Image())
	}
	return st
}
