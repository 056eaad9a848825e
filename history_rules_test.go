package jettison_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// An obstacle stands in the way of a deletion: its kind, the words of D9 for
// it, and of D1.
type obstacle struct{ kind, words, user string }

const (
	kindChild   = "dependent child"
	kindRunning = "running container"
	kindLease   = "lease"
	kindRef     = "active reference"
	kindStopped = "stopped container"
)

// obstacles are those of these kinds, in the order of D9.
func (m *model) obstacles(id digest.Digest, kinds ...string) []obstacle {
	var found []obstacle
	for _, other := range m.images {
		if other.record.Parent == id {
			found = append(found, obstacle{kind: kindChild, words: "image has dependent child images"})
		}
	}
	users := func(running bool, kind string) {
		for _, cid := range slices.Sorted(maps.Keys(m.containers)) {
			c := m.containers[cid]
			if c.Running == running && (c.Image == id || slices.Contains(c.Mounts, id)) { // D13
				found = append(found, obstacle{kind, "image is being used by " + kind + " " + cut(cid), "container " + cut(cid)})
			}
		}
	}
	users(true, kindRunning)
	for _, lid := range slices.Sorted(maps.Keys(m.leases)) {
		if l := m.leases[lid]; l.image == id && m.lives(l) {
			found = append(found, obstacle{kindLease, "image is being used by " + l.kind + " " + l.owner, l.kind + " " + l.owner})
		}
	}
	for range m.refsOf(id) {
		found = append(found, obstacle{kind: kindRef, words: "image is referenced in multiple repositories"})
	}
	users(false, kindStopped)
	return slices.DeleteFunc(found, func(o obstacle) bool { return !slices.Contains(kinds, o.kind) })
}

// cut is the 12 digits that users see.
func cut(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// refusal is the text of D9 for the first obstacle.
func refusal(id digest.Digest, o obstacle) string {
	force := "cannot be forced"
	if o.kind == kindRef || o.kind == kindStopped {
		force = "must be forced"
	}
	return fmt.Sprintf("conflict: unable to delete %s (%s) - %s", cut(id.String()), force, o.words)
}

// delete is ImagesDelete (D16).
func (m *model) delete(names []string, opts jettison.RemoveOptions) []modelReport {
	var reports []modelReport
	done := make(map[string]bool)
	for _, name := range names {
		r := modelReport{}
		meant, isRef := "", false
		if id, ref, failed := m.find(name); failed == "" && ref == nil {
			meant = string(id)
		} else if failed == "" {
			meant, isRef = ref.String(), true
		}
		if !alreadyDone(done, name) {
			m.deleteOne(&r, name, opts)
			if r.Err == "" && meant != "" {
				done[meant] = true
				done["begins "+name] = !isRef
			}
		}
		reports = append(reports, r)
	}
	return reports
}

// alreadyDone reports whether something was removed by this name: by this ID, by
// this beginning of an ID, or by this name in any of the ways to write it.
func alreadyDone(done map[string]bool, name string) bool {
	if id, ok := asID(name); ok {
		return done[string(id)]
	}
	ref, err := asName(name)
	return done["begins "+name] || err == nil && done[ref.String()]
}

// asID is R1 for IDs.
func asID(text string) (digest.Digest, bool) {
	if regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(text) {
		return digest.Digest("sha256:" + text), true
	}
	id, err := digest.Parse(text)
	return id, err == nil
}

// asName is R1 for names, and R6.
func asName(text string) (reference.Named, error) {
	ref, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return nil, err
	}
	if byDigest, ok := ref.(reference.Digested); ok {
		return reference.WithDigest(reference.TrimNamed(ref), byDigest.Digest())
	}
	return reference.TagNameOnly(ref), nil
}

// find is R1 to R7: the image, and the reference in reference mode.
func (m *model) find(text string) (digest.Digest, reference.Named, string) {
	if strings.TrimSpace(text) == "" {
		return "", nil, "InvalidArgument"
	}
	if id, ok := asID(text); ok {
		if m.images[id] == nil {
			return "", nil, "NotFound: No such image: " + id.String()
		}
		return id, nil, ""
	}
	ref, err := asName(text)
	if err != nil {
		return "", nil, "InvalidArgument"
	}
	if found, ok := m.refs[ref.String()]; ok {
		return found.id, found.ref, ""
	}
	hex := strings.TrimPrefix(text, "sha256:")
	var fits []digest.Digest
	for id := range m.images {
		if len(hex) >= 4 && strings.HasPrefix(id.Encoded(), hex) {
			fits = append(fits, id)
		}
	}
	switch len(fits) {
	case 0:
		return "", nil, "NotFound: No such image: " + reference.FamiliarString(ref)
	case 1:
		return fits[0], nil, ""
	default:
		return "", nil, "InvalidArgument"
	}
}

func (m *model) deleteOne(r *modelReport, text string, opts jettison.RemoveOptions) {
	id, ref, failed := m.find(text)
	if failed != "" {
		if !opts.Ignore || !strings.HasPrefix(failed, "NotFound") { // D17
			r.Err = failed
		}
		return
	}
	if ref != nil {
		m.deleteRef(r, text, id, ref, opts)
		return
	}
	m.deleteID(r, id, opts)
}

// oneReference is "single reference" of the vocabulary.
func oneReference(refs []reference.Named) bool {
	repositories, tags := make(map[string]bool), 0
	for _, ref := range refs {
		repositories[ref.Name()] = true
		if _, ok := ref.(reference.Tagged); ok {
			tags++
		}
	}
	return len(repositories) == 1 && tags <= 1
}

func (m *model) untag(r *modelReport, ref reference.Named) {
	delete(m.refs, ref.String())
	r.Records = append(r.Records, "Untagged: "+reference.FamiliarString(ref))
}

// deleteRef is D1 to D5.
func (m *model) deleteRef(r *modelReport, text string, id digest.Digest, ref reference.Named, opts jettison.RemoveOptions) {
	if opts.RemoveContainers && m.nothingElseKeeps(id, ref) {
		m.removeUsers(r, id)
	}
	uses := m.obstacles(id, kindRunning, kindLease, kindStopped)
	if !opts.Force && oneReference(m.refsOf(id)) && len(uses) > 0 { // D1
		r.Err = fmt.Sprintf("Conflict: conflict: unable to remove repository reference %q (must force) - %s is using its referenced image %s",
			text, uses[0].user, cut(id.String()))
		return
	}
	m.untag(r, ref) // D2
	if _, isTag := ref.(reference.Tagged); isTag {
		m.untagDigests(r, id, ref.Name()) // D3
	}
	img := m.images[id]
	if len(m.refsOf(id)) > 0 || img == nil || img.damaged { // D4, R5
		return
	}
	kinds := []string{kindChild, kindRunning, kindLease} // D5
	if !opts.Force {
		kinds = append(kinds, kindRef, kindStopped)
	}
	m.deleteQuietly(r, id, kinds, opts)
}

// nothingElseKeeps is D17 for references: whether the image would go with this one
// but for its containers.
func (m *model) nothingElseKeeps(id digest.Digest, ref reference.Named) bool {
	_, isTag := ref.(reference.Tagged)
	for _, other := range m.refsOf(id) {
		_, otherIsTag := other.(reference.Tagged)
		goes := other.String() == ref.String() || isTag && !otherIsTag && other.Name() == ref.Name()
		if !goes {
			return false
		}
	}
	img := m.images[id]
	return img != nil && !img.damaged && len(m.obstacles(id, kindChild, kindLease)) == 0
}

// removeUsers removes the containers that use the image, by ID.
func (m *model) removeUsers(r *modelReport, id digest.Digest) {
	for _, cid := range slices.Sorted(maps.Keys(m.containers)) {
		if c := m.containers[cid]; c.Image == id || slices.Contains(c.Mounts, id) {
			delete(m.containers, cid)
			r.Removed = append(r.Removed, cid)
		}
	}
}

// untagDigests is D3.
func (m *model) untagDigests(r *modelReport, id digest.Digest, repository string) {
	var digests []reference.Named
	for _, other := range m.refsOf(id) {
		if other.Name() != repository {
			continue
		}
		if _, isTag := other.(reference.Tagged); isTag {
			return
		}
		digests = append(digests, other)
	}
	for _, other := range digests {
		m.untag(r, other)
	}
}

// deleteID is D6 to D8.
func (m *model) deleteID(r *modelReport, id digest.Digest, opts jettison.RemoveOptions) {
	refs := m.refsOf(id)
	kinds := []string{kindChild, kindRunning, kindLease}
	if !opts.Force {
		kinds = append(kinds, kindStopped) // D6
		if len(refs) > 0 && !oneReference(refs) {
			kinds = append(kinds, kindRef) // D7
		}
	}
	if opts.RemoveContainers { // D17
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return kind == kindRunning || kind == kindStopped })
	}
	if found := m.obstacles(id, kinds...); len(found) > 0 {
		r.Err = "Conflict: " + refusal(id, found[0])
		return
	}
	if opts.RemoveContainers {
		m.removeUsers(r, id)
	}
	for _, ref := range refs {
		m.untag(r, ref)
	}
	m.deleteImage(r, id, opts)
}

func (m *model) deleteQuietly(r *modelReport, id digest.Digest, kinds []string, opts jettison.RemoveOptions) {
	if found := m.obstacles(id, kinds...); len(found) > 0 {
		r.Kept = append(r.Kept, id.String()+": "+refusal(id, found[0]))
		return
	}
	m.deleteImage(r, id, opts)
}

// deleteImage is D10 to D12.
func (m *model) deleteImage(r *modelReport, id digest.Digest, opts jettison.RemoveOptions) {
	img := *m.images[id]
	parent := img.record.Parent
	layers, space := m.remove(id)
	r.Records = append(append(r.Records, "Deleted: "+id.String()), layers...)
	r.Space += space
	if above := m.images[parent]; opts.PruneChildren && !img.damaged && above != nil && !above.damaged { // D11
		m.deleteQuietly(r, parent, []string{kindChild, kindRunning, kindLease, kindRef, kindStopped}, opts)
	}
}
