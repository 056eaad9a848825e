package jettison_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

// family makes app on base on root, each with a layer of its own.
func family(m *memory) (root, base, app digest.Digest) {
	root = m.image(storetest.Spec{Name: "root", Layers: []string{"root"}})
	base = m.image(storetest.Spec{Name: "base", Layers: []string{"root", "base"}, Parent: root}, "base:1")
	app = m.image(storetest.Spec{Name: "app", Layers: []string{"root", "base", "app"}, Parent: base}, "app:1")
	return root, base, app
}

func (m *memory) planAll(refs ...string) *jettison.Plan {
	m.t.Helper()
	plan, err := m.PlanDelete(m.t.Context(), refs, jettison.RemoveOptions{PruneChildren: true})
	if err != nil {
		m.t.Fatal(err)
	}
	return plan
}

// A plan says what would be done and what stays, and changes nothing.
func TestPlanDelete(t *testing.T) {
	m := newMemory(t)
	_, base, app := family(m)
	before := m.dump()
	plan := m.planAll("app:1", "nothing")
	if m.dump() != before || len(m.events) > 0 {
		t.Errorf("the plan changed the store or sent events: %v", m.events)
	}

	want := []string{"Untagged: app:1", "Deleted: " + app.String(), "Deleted: " + storetest.ChainID("root", "base", "app").String()}
	if diff := cmp.Diff(want, lines(plan.Records())); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	first, second := plan.Removals[0], plan.Removals[1]
	if first.Reference != "app:1" || first.Image != app || first.Err != nil {
		t.Errorf("got reference %q, image %s, error %v", first.Reference, first.Image, first.Err)
	}
	if len(first.Kept) != 1 || first.Kept[0].Image != base || first.Kept[0].Conflicts[0].Kind != conflict.ActiveReference {
		t.Errorf("got kept %v, want %s because of its reference", first.Kept, base)
	}
	if !errors.Is(second.Err, jettison.ErrNotFound) || second.Records() == nil || len(second.Steps) > 0 {
		t.Errorf("what is not there: got error %v, %d steps", second.Err, len(second.Steps))
	}
	if got, want := plan.SpaceReclaimed(), first.SpaceReclaimed(); got != want || got == 0 {
		t.Errorf("SpaceReclaimed = %d, want %d, the bytes of the first", got, want)
	}
}

// Applying a plan does what it says and sends the events.
func TestApply(t *testing.T) {
	m := newMemory(t)
	root, base, app := family(m)
	plan := m.planAll("app:1", "nothing", "base:1")
	records, err := m.Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(plan.Records()), lines(records)); diff != "" {
		t.Errorf("records (-plan +done):\n%s", diff)
	}
	want := []string{"untag app:1", "delete " + app.String(), "untag base:1", "delete " + base.String(), "delete " + root.String()}
	if diff := cmp.Diff(want, m.events); diff != "" { // E2
		t.Errorf("events (-want +got):\n%s", diff)
	}
	// It was right once: now there is nothing left of what it says.
	if records, err := m.Apply(t.Context(), plan); !errors.Is(err, jettison.ErrConflict) || records != nil {
		t.Errorf("applied twice: got %v, %v, want a Conflict", records, err)
	}
}

func TestApplyNothing(t *testing.T) {
	m := newMemory(t)
	if _, err := m.Apply(t.Context(), nil); !errors.Is(err, jettison.ErrInvalidArgument) {
		t.Errorf("no plan: got error %v, want InvalidArgument", err)
	}
	if records, err := m.Apply(t.Context(), m.planAll()); err != nil || records == nil || len(records) > 0 {
		t.Errorf("a plan of nothing: got %#v, %v, want an empty list", records, err)
	}
	if records, err := m.Apply(t.Context(), m.planAll("nothing")); err != nil || records == nil || len(records) > 0 {
		t.Errorf("a plan that refuses: got %#v, %v, want an empty list", records, err)
	}
}

// A plan that is out of date does nothing, and the error names the difference.
func TestApplyOutOfDate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *memory, app digest.Digest)
		want   string
	}{
		{
			"a reference more", func(m *memory, app digest.Digest) { m.tag(app, "app:2") },
			"app:1: Deleted: {app} no longer follows",
		},
		{
			"a reference less", func(m *memory, _ digest.Digest) { m.remove("base:1") },
			"app:1: Deleted: {base} would follow too",
		},
		{
			"another parent", func(m *memory, app digest.Digest) { m.relink(app, m.image(storetest.Spec{Name: "new"})) },
			"app:1: Deleted: {new} would follow too",
		},
		{
			"a use", func(m *memory, app digest.Digest) { running(m, app) },
			"app:1: conflict: unable to remove repository reference",
		},
		{
			"a child", func(m *memory, app digest.Digest) { parent(m, app) },
			"app:1: Deleted: {app} no longer follows",
		},
		{
			"another image", func(m *memory, _ digest.Digest) { m.image(storetest.Spec{Name: "new"}, "app:1") },
			"app:1 now means image {new}",
		},
		{
			"no image", func(m *memory, app digest.Digest) { m.remove(app.String()) },
			"app:1: No such image: app:1",
		},
		{"a layer shared", func(m *memory, _ digest.Digest) {
			m.image(storetest.Spec{Name: "twin", Layers: []string{"root", "base", "app"}})
		}, "app:1: Deleted: {layer} no longer follows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(t)
			_, base, app := family(m)
			plan := m.planAll("app:1")
			c.change(m, app)
			before := m.dump()
			m.events = nil
			records, err := m.Apply(t.Context(), plan)
			want := strings.NewReplacer("{base}", base.String(), "{app}", app.String(),
				"{new}", storetest.Spec{Name: "new"}.Image().ID().String(),
				"{layer}", storetest.ChainID("root", "base", "app").String()).Replace("plan is out of date: " + c.want)
			if !errors.Is(err, jettison.ErrConflict) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if records != nil || len(m.events) > 0 || m.dump() != before {
				t.Errorf("something was done: records %v, events %v", records, m.events)
			}
		})
	}
}

// The records can be the same and the image another: both are gone (R5).
func TestApplyToAnotherMissingImage(t *testing.T) {
	m := newMemory(t)
	one, two := digest.FromString("one"), digest.FromString("two")
	m.tag(one, "gone:1")
	plan := m.planAll("gone:1")
	m.tag(two, "gone:1")
	_, err := m.Apply(t.Context(), plan)
	want := "plan is out of date: gone:1 now means image " + two.String()
	if !errors.Is(err, jettison.ErrConflict) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What does not matter to a plan does not make it out of date.
func TestApplyAfterOtherChanges(t *testing.T) {
	m := newMemory(t)
	_, base, _ := family(m)
	plan := m.planAll("app:1")
	m.tag(base, "base:2")
	running(m, base)
	m.image(storetest.Spec{Name: "other", Layers: []string{"root"}}, "other:1")
	if _, err := m.Apply(t.Context(), plan); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"base:1", "base:2", "other:1"}, m.references()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

// What a plan refuses is skipped, unless it is no longer refused.
func TestApplyWhatWasRefused(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "app"}, "app:1")
	plan := m.planAll("app:1", "late:1")
	id := m.image(storetest.Spec{Name: "late"}, "late:1")
	before := m.dump()
	_, err := m.Apply(t.Context(), plan)
	if !errors.Is(err, jettison.ErrConflict) || !strings.Contains(err.Error(), "late:1: Untagged: late:1 would follow too") {
		t.Errorf("got error %v, want a Conflict", err)
	}
	if m.dump() != before {
		t.Errorf("something was done, app:1 or %s", id)
	}
}

// remove deletes by force.
func (m *memory) remove(typed string) {
	m.t.Helper()
	if _, err := m.ImageDelete(m.t.Context(), typed, jettison.RemoveOptions{Force: true}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *memory) relink(id, parent digest.Digest) {
	m.t.Helper()
	m.edit(func(tx *kvstore.Tx) error { return tx.Images.SetParent(m.t.Context(), id, parent) })
}
