package jettison_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
)

// clone is a model of its own.
func (m *model) clone() *model {
	c := *m
	c.images = make(map[digest.Digest]*modelImage)
	for id, img := range m.images {
		copied := *img
		c.images[id] = &copied
	}
	c.ghosts, c.refs, c.leases = slices.Clone(m.ghosts), maps.Clone(m.refs), maps.Clone(m.leases)
	return &c
}

// modelPrune is one prune: what was asked for, and what it says.
type modelPrune struct {
	*model
	opts   jettison.PruneOptions
	all    bool
	newest map[digest.Digest]string
	goal   bool
	toFree int64
	turn   imagestore.Image
	report modelReport
	kept   []keptImage
}

type keptImage struct {
	id  digest.Digest
	why string
}

// prune is ImagesPrune, cut short after so many batches where that is not
// negative. A batch ends where the goal should be reached, too.
func (m *model) prune(opts jettison.PruneOptions, batches int) modelReport {
	p := &modelPrune{model: m, opts: opts}
	p.all = opts.All || slices.Contains(opts.Filters["dangling"], "false") // P2
	p.goal = opts.Policy.MaxStorage > 0 || opts.Policy.Disk != nil
	p.setGoal()
	p.newest = m.newestTags(opts.Policy.KeepLast)
	bounds := [2]time.Time{p.bound("before"), p.bound("since")}
	var queue []imagestore.Image
	if batches == 0 {
		return p.report
	}
	for _, id := range slices.Sorted(maps.Keys(m.images)) {
		switch img := m.images[id]; {
		case img.damaged:
			p.kept = append(p.kept, keptImage{id, "unreadable"})
		case opts.Explain || p.filteredBy(img.record, bounds) == "":
			queue = append(queue, img.record)
		}
	}
	slices.SortStableFunc(queue, p.earlier) // P6
	size, stops := 0, p.toFree > 0
	for _, img := range queue {
		if size == opts.BatchSize || stops && p.toFree <= 0 {
			if batches--; batches == 0 {
				break
			}
			size, stops = 0, p.toFree > 0
		}
		size++
		if p.turn = img; m.images[img.ID] != nil {
			p.consider(img.ID, bounds)
		}
	}
	p.report.Kept = p.keptLines()
	return p.report
}

// earlier is P6, and P10 where space is the goal; the images come sorted by ID.
func (p *modelPrune) earlier(a, b imagestore.Image) int {
	if p.goal {
		if c := p.age(a).Compare(p.age(b)); c != 0 {
			return c
		}
	}
	if c := a.Created.Compare(b.Created); c != 0 {
		return c
	}
	return strings.Compare(string(a.ID), string(b.ID))
}

// age is the later of creation and last use.
func (p *modelPrune) age(img imagestore.Image) time.Time {
	if used := p.used[img.ID]; used.After(img.Created) {
		return used
	}
	return img.Created
}

func (p *modelPrune) bound(key string) time.Time {
	for _, id := range p.opts.Filters[key] {
		return p.images[digest.Digest(id)].record.Created
	}
	return time.Time{}
}

// filteredBy is P4, without reference and dangling.
func (p *modelPrune) filteredBy(img imagestore.Image, bounds [2]time.Time) string {
	fits := func(label string) bool {
		key, value, given := strings.Cut(label, "=")
		have, ok := img.Labels[key]
		return ok && (!given || have == value)
	}
	f := p.opts.Filters
	if ids := f["id"]; len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool {
		return strings.HasPrefix(img.ID.String(), id) || strings.HasPrefix(img.ID.Encoded(), id)
	}) {
		return "id"
	}
	for _, label := range f["label"] {
		if !fits(label) {
			return "label"
		}
	}
	if slices.ContainsFunc(f["label!"], fits) {
		return "label!"
	}
	for _, text := range f["until"] {
		until, err := time.Parse(time.RFC3339, text)
		if ago, bad := time.ParseDuration(text); bad == nil {
			until, err = p.now.Add(-ago), nil
		}
		if err != nil || img.Created.IsZero() || !img.Created.Before(until) {
			return "until"
		}
	}
	if !bounds[0].IsZero() && (img.Created.IsZero() || !img.Created.Before(bounds[0])) {
		return "before"
	}
	if !bounds[1].IsZero() && !img.Created.After(bounds[1]) {
		return "since"
	}
	return ""
}

// matches reports whether a pattern fits one of the references.
func matches(pattern string, refs []reference.Named) bool {
	for _, ref := range refs {
		for _, form := range []string{ref.String(), ref.Name(), reference.FamiliarString(ref), reference.FamiliarName(ref)} {
			if ok, err := path.Match(pattern, form); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// consider is an image's turn.
func (p *modelPrune) consider(id digest.Digest, bounds [2]time.Time) {
	img, refs := p.images[id].record, p.refsOf(id)
	if why := p.notMeant(img, refs, bounds); why != "" {
		if p.opts.Explain {
			p.kept = append(p.kept, keptImage{id, why})
		}
		return
	}
	if p.stays(img, refs) {
		return
	}
	for _, ref := range refs {
		p.untag(&p.report, ref)
	}
	p.deleteChosen(img, bounds)
}

// notMeant is P2 and P4.
func (p *modelPrune) notMeant(img imagestore.Image, refs []reference.Named, bounds [2]time.Time) string {
	if key := p.filteredBy(img, bounds); key != "" {
		return "filtered out by " + key
	}
	patterns := p.opts.Filters["reference"]
	if len(patterns) > 0 && !slices.ContainsFunc(patterns, func(s string) bool { return matches(s, refs) }) {
		return "filtered out by reference"
	}
	tagged := slices.ContainsFunc(refs, func(ref reference.Named) bool {
		_, ok := ref.(reference.Tagged)
		return ok
	})
	if !p.all && (tagged || len(p.obstacles(img.ID, kindChild)) > 0) {
		return "not dangling"
	}
	return ""
}

// stays is P3 and P10: it reports whether the image stays, and notes why.
func (p *modelPrune) stays(img imagestore.Image, refs []reference.Named) bool {
	kinds := []string{kindRunning, kindLease, kindStopped}
	if p.goal {
		kinds = append(kinds, kindChild)
	}
	policy, why := p.opts.Policy, ""
	protecting := slices.IndexFunc(policy.Protect, func(s string) bool { return matches(s, refs) })
	switch found := p.obstacles(img.ID, kinds...); {
	case len(found) > 0:
		why = refusal(img.ID, found[0])
	case protecting >= 0:
		why = "protected by " + policy.Protect[protecting]
	case p.newest[img.ID] != "":
		why = "newest of " + p.newest[img.ID]
	case policy.MinAge > 0 && (p.age(img).IsZero() || p.now.Sub(p.age(img)) < policy.MinAge):
		why = "too young (" + policy.MinAge.String() + ")"
	case p.goal && p.toFree <= 0:
		why = "goal reached"
	default:
		return false
	}
	p.kept = append(p.kept, keptImage{img.ID, why})
	return true
}

// deleteChosen deletes an image that has lost its references, unless it has
// children, and then its ancestors (P5).
func (p *modelPrune) deleteChosen(img imagestore.Image, bounds [2]time.Time) {
	if found := p.obstacles(img.ID, kindChild); len(found) > 0 {
		p.kept = append(p.kept, keptImage{img.ID, refusal(img.ID, found[0])})
		return
	}
	layers, space := p.remove(img.ID)
	p.report.Records = append(append(p.report.Records, "Deleted: "+img.ID.String()), layers...)
	p.report.Space += space
	p.toFree -= space
	above := p.images[img.Parent]
	if above == nil || above.damaged {
		return
	}
	parent, refs := above.record, p.refsOf(img.Parent)
	hasTag := slices.ContainsFunc(refs, func(ref reference.Named) bool { return !strings.Contains(ref.String(), "@") })
	switch {
	case len(refs) > 0 && (p.all && p.goal && p.earlier(parent, p.turn) < 0 || !p.all && !hasTag):
		p.consider(parent.ID, bounds)
	case len(refs) > 0:
	case slices.ContainsFunc(p.opts.Filters["label!"], func(label string) bool {
		key, value, given := strings.Cut(label, "=")
		have, ok := parent.Labels[key]
		return ok && (!given || have == value)
	}):
		p.kept = append(p.kept, keptImage{parent.ID, "filtered out by label!"})
	case !p.stays(parent, nil):
		p.deleteChosen(parent, bounds)
	}
}

// newestTags are the images of the newest n tags of each repository, with the
// first such repository.
func (m *model) newestTags(n int) map[digest.Digest]string {
	tags := make(map[string][]modelRef)
	for _, name := range slices.Sorted(maps.Keys(m.refs)) {
		a := m.refs[name]
		if _, ok := a.ref.(reference.Tagged); ok && m.missingOrDamaged(a.id) == "" {
			repository := reference.FamiliarName(a.ref)
			tags[repository] = append([]modelRef{a}, tags[repository]...) // the last by name first
		}
	}
	newest := make(map[digest.Digest]string)
	for _, repository := range slices.Backward(slices.Sorted(maps.Keys(tags))) {
		all := tags[repository]
		slices.SortStableFunc(all, func(a, b modelRef) int {
			return m.images[b.id].record.Created.Compare(m.images[a.id].record.Created)
		})
		for _, a := range all[:min(n, len(all))] {
			newest[a.id] = repository
		}
	}
	return newest
}

// readableBytes is the size of the store, as far as it can be read.
func (m *model) readableBytes() int64 {
	sizes := make(map[digest.Digest]int64)
	for _, img := range m.images {
		if img.damaged {
			continue
		}
		for _, c := range img.record.Content {
			sizes[c.Digest] = c.Size
		}
		for _, layer := range img.layers {
			for _, c := range layer.Content {
				sizes[c.Digest] = c.Size
			}
		}
	}
	var sum int64
	for _, size := range sizes {
		sum += size
	}
	return sum
}

// setGoal is how much must go.
func (p *modelPrune) setGoal() {
	if limit := p.opts.Policy.MaxStorage; limit > 0 {
		p.toFree = p.readableBytes() - limit
	}
	if disk := p.opts.Policy.Disk; disk != nil {
		usage, _ := disk.Usage(nil)
		if used := float64(usage.Used) / float64(usage.Total) * 100; used >= disk.High {
			p.toFree = max(p.toFree, usage.Used-int64(float64(usage.Total)*disk.Low/100))
		}
	}
}

// keptLines are the images that were kept and are still there, each with the
// last reason, where that was found.
func (p *modelPrune) keptLines() []string {
	var lines []string
	for i, k := range p.kept {
		again := slices.ContainsFunc(p.kept[i+1:], func(other keptImage) bool { return other.id == k.id })
		if p.images[k.id] != nil && !again {
			lines = append(lines, k.id.String()+": "+k.why)
		}
	}
	return lines
}
