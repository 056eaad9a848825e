package jettison_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/storetest"
)

func disk(high, low float64) *jettison.DiskMarks {
	return &jettison.DiskMarks{High: high, Low: low, Usage: func(context.Context) (jettison.DiskUsage, error) {
		return jettison.DiskUsage{Used: 1, Total: 100}, nil
	}}
}

// Options that make no sense are refused before anything is removed, by key and
// value, for a prune and for its plan (P4, P10, E1).
func TestPruneOptionsInvalid(t *testing.T) {
	unknown := &jettison.DiskMarks{High: 90, Low: 80}
	for _, c := range []struct {
		name string
		opts jettison.PruneOptions
		want string // that the text contains
	}{
		{"unknown key", jettison.PruneOptions{Filters: filter.Args{"colour": {"red"}}}, "invalid filter 'colour'"},
		{"empty key", jettison.PruneOptions{Filters: filter.Args{"": {"red"}}}, "empty key"},
		{"key without values", jettison.PruneOptions{Filters: filter.Args{filter.Label: nil}}, "invalid filter 'label'"},
		{"empty value", jettison.PruneOptions{Filters: filter.Args{filter.NotLabel: {""}}}, "invalid filter 'label!'"},
		{"blank value", jettison.PruneOptions{Filters: filter.Args{filter.Label: {" "}}}, "invalid filter 'label= '"},
		{"time", jettison.PruneOptions{Filters: filter.Args{filter.Until: {"soon"}}}, "until=soon"},
		{"negative time", jettison.PruneOptions{Filters: filter.Args{filter.Until: {"-1h"}}}, "until=-1h"},
		{"pattern", jettison.PruneOptions{Filters: filter.Args{filter.Reference: {"a["}}}, "reference=a["},
		{"contradictory labels", jettison.PruneOptions{Filters: filter.Args{filter.Label: {"a=1", "a=2"}}}, "label=a=2"},
		{"both dangling", jettison.PruneOptions{Filters: filter.Args{filter.Dangling: {"true", "false"}}}, "dangling=false"},
		{"dangling and all", jettison.PruneOptions{All: true, Filters: filter.Args{filter.Dangling: {"1"}}}, "dangling=true"},
		{"keep last", jettison.PruneOptions{All: true, Policy: jettison.Policy{KeepLast: -2}}, "keep-last -2"},
		{"keep last of dangling", jettison.PruneOptions{Policy: jettison.Policy{KeepLast: 2}}, "keep-last 2"},
		{"protect", jettison.PruneOptions{Policy: jettison.Policy{Protect: []string{"ok", "[a-"}}}, `protect "[a-"`},
		{"protect nothing", jettison.PruneOptions{Policy: jettison.Policy{Protect: []string{""}}}, `protect ""`},
		{"age", jettison.PruneOptions{Policy: jettison.Policy{MinAge: -time.Second}}, "min-age -1s"},
		{"size", jettison.PruneOptions{Policy: jettison.Policy{MaxStorage: -7}}, "keep-storage -7"},
		{"low above high", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(50, 50.5)}}, "disk-low 50.5 is above disk-high 50"},
		{"no high mark", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(0, 0)}}, "disk-high 0"},
		{"no low mark", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(50, 0)}}, "disk-low 0"},
		{"negative mark", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(50, -1)}}, "disk-low -1"},
		{"high above all", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(100.1, 50)}}, "disk-high 100.1"},
		{"no number", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(90, math.NaN())}}, "disk-low NaN"},
		{"infinite", jettison.PruneOptions{Policy: jettison.Policy{Disk: disk(math.Inf(1), 1)}}, "disk-high +Inf"},
		{"disk of unknown use", jettison.PruneOptions{Policy: jettison.Policy{Disk: unknown}}, "disk-high 90"},
		{"batch", jettison.PruneOptions{BatchSize: -1}, "batch size -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(t)
			m.image(storetest.Spec{Name: "app"})
			before := m.dump()
			report, err := m.ImagesPrune(t.Context(), c.opts)
			wantClass(t, "prune", err, "InvalidArgument")
			if err == nil || !strings.Contains(err.Error(), c.want) || report != nil {
				t.Errorf("got report %v, error %v, want one with %q", report, err, c.want)
			}
			plan, planErr := m.PlanPrune(t.Context(), c.opts)
			if errorText(planErr) != errorText(err) || plan != nil {
				t.Errorf("plan: got %v, error %v", plan, planErr)
			}
			if m.dump() != before || len(m.events) > 0 {
				t.Errorf("something was done: %v", m.events)
			}
			// It is not taken for a prune that runs (P1).
			if _, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{}); err != nil {
				t.Errorf("prune afterwards: %v", err)
			}
		})
	}
}

// A caller can tell which filter is wrong without parsing a text.
func TestPruneFilterError(t *testing.T) {
	m := newMemory(t)
	_, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{Filters: filter.Args{filter.Until: {"soon"}}})
	var invalid *filter.Error
	if !errors.As(err, &invalid) || invalid.Key != filter.Until || invalid.Value != "soon" {
		t.Errorf("got error %v, want a filter.Error of until=soon", err)
	}
}

// What the disk says can fail, and can be what no disk says.
func TestPruneDiskUsage(t *testing.T) {
	broken := errors.New("no such disk")
	for _, c := range []struct {
		name  string
		usage jettison.DiskUsage
		err   error
		class string
	}{
		{"error", jettison.DiskUsage{}, broken, "Unavailable"},
		{"cancelled", jettison.DiskUsage{}, context.Canceled, "Unavailable"},
		{"error with a class", jettison.DiskUsage{}, jettison.ErrInternal, "Internal"},
		{"empty", jettison.DiskUsage{}, nil, "Internal"},
		{"negative", jettison.DiskUsage{Used: -1, Total: 100}, nil, "Internal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(t)
			m.image(storetest.Spec{Name: "app"})
			before := m.dump()
			marks := disk(90, 80)
			marks.Usage = func(context.Context) (jettison.DiskUsage, error) { return c.usage, c.err }
			opts := jettison.PruneOptions{Policy: jettison.Policy{Disk: marks}}
			report, err := m.ImagesPrune(t.Context(), opts)
			wantClass(t, "prune", err, c.class)
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v is not in the chain of %v", c.err, err)
			}
			if report == nil || len(report.ImagesDeleted) > 0 || m.dump() != before || len(m.events) > 0 {
				t.Errorf("report %v, events %v", report, m.events)
			}
		})
	}
}

// A plan keeps what it was made with, whatever the caller does with the options,
// and however long it waits.
func TestPlanPruneKeepsItsOptions(t *testing.T) {
	m := newMemory(t)
	m.image(storetest.Spec{Name: "old", Layers: []string{"old"}, Created: m.now.Add(-3 * time.Hour)}, "old:1")
	m.image(storetest.Spec{Name: "mine", Created: m.now.Add(-3 * time.Hour)}, "mine:1")
	m.image(storetest.Spec{Name: "new", Created: m.now.Add(-time.Hour)}, "new:1")
	used := int64(95)
	marks := disk(90, 1)
	marks.Usage = func(context.Context) (jettison.DiskUsage, error) {
		return jettison.DiskUsage{Used: used, Total: 100}, nil
	}
	opts := jettison.PruneOptions{
		All:     true,
		Filters: filter.Args{filter.NotLabel: {"keep"}},
		Policy:  jettison.Policy{Protect: []string{"mine"}, MinAge: 2 * time.Hour, Disk: marks},
	}
	plan, err := m.PlanPrune(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Policy.Protect[0], opts.Filters[filter.NotLabel][0] = "none", "other"
	marks.High, marks.Low, marks.Usage = 100, 100, nil
	m.now = m.now.Add(24 * time.Hour)
	records, err := m.Apply(t.Context(), plan)
	if diff := cmp.Diff(lines(plan.Records()), lines(records)); diff != "" || err != nil || len(records) != 3 {
		t.Errorf("error %v, records (-plan +done):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"mine:1", "new:1"}, m.references()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

// A disk that has been filled or freed since makes a plan out of date.
func TestApplyPruneAfterTheDiskChanged(t *testing.T) {
	m := newMemory(t)
	id := m.image(storetest.Spec{Name: "old"}, "old:1")
	used := int64(95)
	marks := disk(90, 80)
	marks.Usage = func(context.Context) (jettison.DiskUsage, error) {
		return jettison.DiskUsage{Used: used, Total: 100}, nil
	}
	plan, err := m.PlanPrune(t.Context(), jettison.PruneOptions{All: true, Policy: jettison.Policy{Disk: marks}})
	if err != nil {
		t.Fatal(err)
	}
	used = 50
	before := m.dump()
	_, err = m.Apply(t.Context(), plan)
	want := "plan is out of date: Untagged: old:1 no longer follows: image " + hex(id, 12) + " is kept: goal reached"
	if !errors.Is(err, jettison.ErrConflict) || errorText(err) != want || m.dump() != before {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The stores of this module note when an image is used, and a prune goes by it
// (P10).
func TestPruneGoesByRecordedUse(t *testing.T) {
	m := newMemory(t)
	app := m.image(storetest.Spec{Name: "app", Created: m.now.Add(-90 * 24 * time.Hour)})
	other := m.image(storetest.Spec{Name: "other", Created: m.now.Add(-80 * 24 * time.Hour)})
	m.container(jettison.Container{ID: "c1", Image: app})
	if err := m.removeContainer("c1"); err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(time.Hour)
	report, err := m.ImagesPrune(t.Context(), jettison.PruneOptions{Policy: jettison.Policy{MinAge: 24 * time.Hour}})
	if diff := cmp.Diff([]string{"Deleted: " + other.String()}, lines(report.ImagesDeleted)); diff != "" || err != nil {
		t.Errorf("error %v, records (-want +got):\n%s", err, diff)
	}
	want := []jettison.Kept{{Image: app, Why: jettison.WhyYoung, Detail: "24h0m0s"}}
	if diff := cmp.Diff(want, report.Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// What is kept says so in words; a conflict says all of it.
func TestKeptText(t *testing.T) {
	id := storetest.Spec{Name: "app"}.Image().ID()
	for _, c := range []struct {
		kept jettison.Kept
		want string
	}{
		{jettison.Kept{Why: jettison.WhyNotDangling}, "not dangling"},
		{jettison.Kept{Why: jettison.WhyFiltered, Detail: "label!"}, "filtered out by label!"},
		{jettison.Kept{Why: jettison.WhyProtected, Detail: "app:*"}, "protected by app:*"},
		{jettison.Kept{Why: jettison.WhyNewest, Detail: "quay.io/app"}, "newest of quay.io/app"},
		{jettison.Kept{Why: jettison.WhyYoung, Detail: "24h0m0s"}, "too young (24h0m0s)"},
		{jettison.Kept{Why: jettison.WhyGoal}, "goal reached"},
		{jettison.Kept{Why: jettison.WhyNamed}, "named again"},
		{jettison.Kept{Why: jettison.WhyUnreadable, Detail: "short"}, "unreadable (short)"},
		{jettison.Kept{Why: jettison.WhyConflict, Conflicts: []conflict.Conflict{
			{Kind: conflict.DependentChild, Child: id},
			{Kind: conflict.StoppedContainer, Container: jettison.Container{ID: "c1", Name: "web"}},
		}}, "dependent child " + id.String() + ", stopped container web (c1)"},
	} {
		if got := c.kept.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
