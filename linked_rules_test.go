package jettison_test

import (
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/storetest"
)

// A linkedReport is what the model expects of one reference of a call, or of a
// prune.
type linkedReport struct {
	Removed []string // IDs of containers
	Records []string
	Kept    []string // each image with the kind of the reason
	Err     string   // the class
}

func (r *linkedReport) keep(id digest.Digest, why jettison.Why) {
	r.Kept = append(r.Kept, id.String()+": "+string(why))
}

// used reports whether containers use the image: those that run, or any.
func (m *linked) used(id digest.Digest, stopped bool) bool {
	for _, c := range m.containers {
		if uses(c, id) && (c.Running || stopped) {
			return true
		}
	}
	return false
}

func uses(c jettison.Container, id digest.Digest) bool {
	return c.Image == id || slices.Contains(c.Mounts, id) // D13
}

// removeUsers is what D17 does first.
func (m *linked) removeUsers(r *linkedReport, id digest.Digest) {
	for _, user := range slices.Sorted(maps.Keys(m.containers)) {
		if uses(m.containers[user], id) {
			delete(m.containers, user)
			r.Removed = append(r.Removed, user)
		}
	}
}

// goesBut reports whether the image would go with this reference but for its
// containers (D17).
func (m *linked) goesBut(id digest.Digest, ref reference.Named) bool {
	without := &linked{images: m.images, refs: maps.Clone(m.refs)}
	without.untag(&linkedReport{}, ref)
	if _, isTag := ref.(reference.Tagged); isTag {
		without.untagDigests(&linkedReport{}, id, ref.Name())
	}
	return len(without.refsOf(id)) == 0 && !without.held(id)
}

// delete is ImagesDelete (D16).
func (m *linked) delete(texts []string, opts jettison.RemoveOptions) []linkedReport {
	var reports []linkedReport
	done := make(map[string]bool)
	for _, text := range texts {
		r := linkedReport{}
		if !done[text] {
			m.deleteOne(&r, text, opts)
			done[text] = r.Err == ""
		}
		r.Kept = m.stillThere(r.Kept)
		reports = append(reports, r)
	}
	return reports
}

// stillThere are the images that were kept and did not go after all, each with
// the last reason.
func (m *linked) stillThere(kept []string) []string {
	var lines []string
	for i, line := range kept {
		id := digest.Digest(line[:len("sha256:")+64])
		again := slices.ContainsFunc(kept[i+1:], func(other string) bool { return other[:len(id)] == string(id) })
		if _, there := m.images[id]; there && !again {
			lines = append(lines, line)
		}
	}
	return lines
}

// deleteOne takes full references and full IDs alone.
func (m *linked) deleteOne(r *linkedReport, text string, opts jettison.RemoveOptions) {
	id, ref := digest.Digest(text), reference.Named(nil)
	if a, ok := m.refs[text]; ok {
		id, ref = a.id, a.ref
	}
	img, there := m.images[id]
	if len(opts.Platforms) > 1 && !img.isIndex() { // R8
		r.Err = "InvalidArgument"
		return
	}
	if !there {
		r.notFound(opts)
		return
	}
	going := make(map[digest.Digest]bool)
	for _, want := range opts.Platforms {
		if !m.suits(img, want, going) {
			r.notFound(opts)
			return
		}
	}
	if img.isIndex() && len(going) > 0 && len(going) < len(img.parts) {
		m.removePlatforms(r, img, going, opts.Force)
		return
	}
	if ref != nil {
		m.deleteRef(r, id, ref, opts)
		return
	}
	m.deleteID(r, id, opts)
}

// notFound is an error unless it is ignored (D17).
func (r *linkedReport) notFound(opts jettison.RemoveOptions) {
	if !opts.Ignore {
		r.Err = "NotFound"
	}
}

// suits is R8, and for an index M2: it adds the manifests of the platform, and
// what in the index is about them.
func (m *linked) suits(img linkedImage, want ocispec.Platform, going map[digest.Digest]bool) bool {
	if !img.isIndex() {
		return jettison.MatchPlatform(want, img.spec.Platform)
	}
	found := false
	for _, part := range img.parts {
		exactly := normal(want) == normal(part.platform)
		if part.about == "" && exactly {
			found, going[part.digest] = true, true
		}
	}
	for _, part := range img.parts {
		if part.about != "" && going[part.about] {
			going[part.digest] = true
		}
	}
	return found
}

// normal writes a platform with the variant that it has by default.
func normal(p ocispec.Platform) string {
	if p.Variant == "" {
		p.Variant = map[string]string{"arm": "v7", "arm64": "v8", "amd64": "v1"}[p.Architecture]
	}
	return p.OS + "/" + p.Architecture + "/" + p.Variant
}

// removePlatforms is M2 and M3.
func (m *linked) removePlatforms(r *linkedReport, img linkedImage, going map[digest.Digest]bool, force bool) {
	if m.used(img.id(), true) || !force {
		r.Err = "Conflict"
		return
	}
	referrers := m.referrers(img.id())
	for _, part := range img.parts {
		if going[part.digest] {
			r.Records = append(r.Records, "Deleted: "+part.digest.String())
		}
	}
	next, holders := img.without(going), m.layers()
	if _, there := m.images[next.id()]; there { // it has its own hold of all
		m.addLayers(r, img, linkedImage{}, holders)
	} else {
		m.addLayers(r, img, next, holders)
	}
	delete(m.images, img.id())
	m.images[next.id()] = next
	for name, a := range m.refs {
		if a.id == img.id() {
			m.refs[name] = modelRef{a.ref, next.id()}
		}
	}
	m.deleteReferrers(r, referrers)
}

// addLayers adds the layers that have gone with an image, or with the parts that
// next has no more: chain by chain, from top to base, each when the last that
// held it has let go (D12).
func (m *linked) addLayers(r *linkedReport, img, next linkedImage, holders map[digest.Digest]int) {
	tops := [][]string{img.spec.Layers}
	for _, part := range img.parts {
		tops = append(tops, part.layers)
	}
	seen := next.chains()
	for _, layers := range tops {
		top := storetest.ChainID(layers...)
		if seen[top] != nil {
			continue
		}
		seen[top] = layers
		for i := len(layers); i > 0; i-- {
			chain := storetest.ChainID(layers[:i]...)
			if holders[chain]--; holders[chain] > 0 {
				break
			}
			r.Records = append(r.Records, "Deleted: "+chain.String())
		}
	}
}

// deleteRef is D1 to D5.
func (m *linked) deleteRef(r *linkedReport, id digest.Digest, ref reference.Named, opts jettison.RemoveOptions) {
	if opts.RemoveContainers && m.goesBut(id, ref) {
		m.removeUsers(r, id)
	}
	if !opts.Force && oneReference(m.refsOf(id)) && m.used(id, true) { // D1
		r.Err = "Conflict"
		return
	}
	m.untag(r, ref) // D2
	if _, isTag := ref.(reference.Tagged); isTag {
		m.untagDigests(r, id, ref.Name()) // D3
	}
	if len(m.refsOf(id)) > 0 { // D4
		return
	}
	switch {
	case m.held(id): // S1
		r.keep(id, jettison.WhyReferrer)
	case m.used(id, !opts.Force): // D5
		r.keep(id, jettison.WhyConflict)
	default:
		m.deleteImage(r, id)
	}
}

func (m *linked) untag(r *linkedReport, ref reference.Named) {
	delete(m.refs, ref.String())
	r.Records = append(r.Records, "Untagged: "+reference.FamiliarString(ref))
}

func (m *linked) untagDigests(r *linkedReport, id digest.Digest, repository string) {
	same := slices.DeleteFunc(m.refsOf(id), func(ref reference.Named) bool { return ref.Name() != repository })
	isTag := func(ref reference.Named) bool {
		_, ok := ref.(reference.Tagged)
		return ok
	}
	if slices.ContainsFunc(same, isTag) {
		return
	}
	for _, ref := range same {
		m.untag(r, ref)
	}
}

// deleteID is D6 to D8.
func (m *linked) deleteID(r *linkedReport, id digest.Digest, opts jettison.RemoveOptions) {
	refs := m.refsOf(id)
	used := m.used(id, !opts.Force) && !opts.RemoveContainers
	if used || !opts.Force && len(refs) > 0 && !oneReference(refs) {
		r.Err = "Conflict"
		return
	}
	if opts.RemoveContainers {
		m.removeUsers(r, id)
	}
	for _, ref := range refs {
		m.untag(r, ref)
	}
	m.deleteImage(r, id)
}

// deleteImage is D10 and D12, and S2.
func (m *linked) deleteImage(r *linkedReport, id digest.Digest) {
	referrers := m.referrers(id)
	r.Records = append(r.Records, "Deleted: "+id.String())
	m.addLayers(r, m.images[id], linkedImage{}, m.layers())
	delete(m.images, id)
	m.deleteReferrers(r, referrers)
}

// deleteReferrers is S2 and S3.
func (m *linked) deleteReferrers(r *linkedReport, referrers []digest.Digest) {
	for _, id := range referrers {
		refs := m.refsOf(id)
		switch _, there := m.images[id]; {
		case !there: // it went with another one
		case m.held(id):
			r.keep(id, jettison.WhyReferrer)
		case m.used(id, true), len(own(refs)) > 0:
			r.keep(id, jettison.WhyConflict)
		default:
			for _, ref := range refs {
				m.untag(r, ref)
			}
			m.deleteImage(r, id)
		}
	}
}

// prune is ImagesPrune with the filters dangling and orphaned; everything is of
// one age, so it goes by ID (P6).
func (m *linked) prune(opts jettison.PruneOptions) linkedReport {
	r := linkedReport{}
	all := opts.All || slices.Equal(opts.Filters[filter.Dangling], []string{"false"})
	for _, id := range slices.Sorted(maps.Keys(m.images)) {
		if _, there := m.images[id]; !there {
			continue
		}
		refs := m.refsOf(id)
		if why := m.notChosen(id, all, opts.Filters[filter.Orphaned]); why != "" {
			if opts.Explain || why == jettison.WhyOrphaned {
				r.keep(id, why)
			}
			continue
		}
		if m.used(id, true) { // P3
			r.keep(id, jettison.WhyConflict)
			continue
		}
		for _, ref := range refs {
			m.untag(&r, ref)
		}
		m.deleteImage(&r, id)
	}
	r.Kept = m.stillThere(r.Kept)
	return r
}

// notChosen is S1 and S4, then P2.
func (m *linked) notChosen(id digest.Digest, all bool, orphaned []string) jettison.Why {
	switch orphan := m.isOrphaned(id); {
	case m.held(id):
		return jettison.WhyReferrer
	case len(orphaned) > 0 && orphan != (orphaned[0] == "true"):
		return jettison.WhyFiltered
	case len(orphaned) == 0 && orphan:
		return jettison.WhyOrphaned
	case !all && m.isTagged(id):
		return jettison.WhyNotDangling
	}
	return ""
}

// isOrphaned is S4: what the image is about is missing, and nothing names it for
// its own sake.
func (m *linked) isOrphaned(id digest.Digest) bool {
	return len(m.about(id)) > 0 && !m.held(id) && len(own(m.refsOf(id))) == 0
}

// isTagged reports whether the image has a tag of its own.
func (m *linked) isTagged(id digest.Digest) bool {
	return slices.ContainsFunc(own(m.refsOf(id)), func(ref reference.Named) bool {
		_, ok := ref.(reference.Tagged)
		return ok
	})
}
