package jettison

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
)

// Why is the kind of reason for which an image is kept.
type Why string

// The reasons. A prune looks for them in this order and reports the first.
const (
	// WhyUnreadable: the record of the image, or of what may use it, is damaged;
	// Detail says how.
	WhyUnreadable Why = "unreadable"
	// WhyFiltered: a filter leaves it out; Detail is its key.
	WhyFiltered Why = "filtered out"
	// WhyReferrer: what it is about is there (rule S1); Detail is the short ID of
	// that.
	WhyReferrer Why = "about image"
	// WhyOrphaned: what it is about is missing, and such images were not asked for
	// (rule S4).
	WhyOrphaned Why = "about an image that is missing"
	// WhyNotDangling: it has a tag or a child, and only dangling images are pruned.
	WhyNotDangling Why = "not dangling"
	// WhyConflict: something stands in the way: Conflicts has all of it.
	WhyConflict Why = "conflict"
	// WhyProtected: a reference matches a protected pattern; Detail is the pattern.
	WhyProtected Why = "protected"
	// WhyNewest: a tag is among the newest of its repository; Detail is the
	// familiar name of the repository.
	WhyNewest Why = "newest"
	// WhyYoung: it was created or used too recently; Detail is the minimum age.
	WhyYoung Why = "too young"
	// WhyGoal: as much is free as was to be freed.
	WhyGoal Why = "goal reached"
	// WhyNamed: it was deleted, and another program has named it again before its
	// garbage was collected (rule D12). No plan foresees that.
	WhyNamed Why = "named again"
)

// Kept is an image that stays although a deletion or a prune reached it
// (quietly, in the words of the rules).
type Kept struct {
	// Image is the ID of the image.
	Image digest.Digest
	// Why is the kind of reason.
	Why Why
	// Conflicts are what stands in the way, for WhyConflict, in the order of
	// rule D9.
	Conflicts []conflict.Conflict
	// Detail says more, as the constants of Why tell; otherwise empty.
	Detail string
}

// String is the reason in words for the user.
func (k Kept) String() string {
	if k.Why != WhyConflict {
		return strings.TrimSpace(string(k.Why) + " " + k.detail())
	}
	reasons := make([]string, len(k.Conflicts))
	for i, c := range k.Conflicts {
		reasons[i] = c.String()
	}
	return strings.Join(reasons, ", ")
}

func (k Kept) detail() string {
	switch {
	case k.Detail == "":
		return ""
	case k.Why == WhyFiltered, k.Why == WhyProtected:
		return "by " + k.Detail
	case k.Why == WhyReferrer:
		return k.Detail
	case k.Why == WhyNewest:
		return "of " + k.Detail
	default:
		return "(" + k.Detail + ")"
	}
}

// Kept are the images that the plan reaches and leaves in place, each once, in
// the order in which they are reached.
func (p *Plan) Kept() []Kept {
	list := keptList{}
	for _, r := range p.Removals {
		list.add(r.Kept, r.Steps)
	}
	return list.kept()
}

// staying are the images that a removal keeps, each once with the last reason: one
// that is kept for an image may go with another after all.
func (r *Removal) staying() []Kept {
	if len(r.Kept) == 0 {
		return r.Kept
	}
	list := keptList{}
	list.add(r.Kept, r.Steps)
	return list.kept()
}

// A keptList gathers what is kept over several removals: an image kept by one
// may be deleted by a later one.
type keptList struct {
	all     []Kept
	deleted map[digest.Digest]bool
}

func (l *keptList) add(kept []Kept, steps []Step) {
	l.all = append(l.all, kept...)
	for _, step := range steps {
		if step.takesImage() && len(l.all) > 0 {
			if l.deleted == nil {
				l.deleted = make(map[digest.Digest]bool)
			}
			l.deleted[step.Image] = true
		}
	}
}

func (l *keptList) kept() []Kept {
	last := make(map[digest.Digest]int, len(l.all))
	for i, k := range l.all {
		last[k.Image] = i
	}
	kept := []Kept{}
	for i, k := range l.all {
		if last[k.Image] == i && !l.deleted[k.Image] {
			kept = append(kept, k)
		}
	}
	return slices.Clip(kept)
}
