package jettison_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

// touch notes that an image was used, or forgets when it was.
func (h *history) touch(t *rapid.T) {
	id := h.image(t).ID()
	h.model.used[id] = rapid.SampledFrom([]time.Time{
		{}, h.model.now.Add(-30 * time.Minute), h.model.now.Add(-5 * time.Hour), h.model.now.Add(-20 * time.Hour),
	}).Draw(t, "used")
}

// prune plans a prune by any filters and policies and carries it out in one of
// the ways there are. Every backend must do what the model does, and the plan
// must say what is then done (P9), in batches of any size.
func (h *history) prune(t *rapid.T) {
	opts := h.pruneOptions(t)
	way := rapid.SampledFrom([]string{"run", "run", "apply", "cancel"}).Draw(t, "way")
	batches := -1
	if way == "cancel" {
		opts.BatchSize = rapid.IntRange(1, 4).Draw(t, "batch")
		batches = rapid.IntRange(0, 3).Draw(t, "batches")
	}
	plans := make(map[*run]*jettison.Plan)
	for _, r := range h.runs {
		plan, err := r.service.PlanPrune(t.Context(), opts)
		if err != nil {
			t.Fatalf("%s: plan of a prune: %v", r.name, err)
		}
		plans[r] = plan
	}
	whole := h.model.clone()
	comparePlans(t, h.runs, plans, whole.prune(opts, -1))
	want := h.model.prune(opts, batches)
	for _, r := range h.runs {
		r.events = nil
		got := r.carryOutPrune(t, opts, plans[r], way, batches)
		if way == "apply" {
			got.Kept, got.Space = want.Kept, want.Space // a plan tells them
		}
		comparePrunes(t, r.name+": prune by "+way, got, want)
		h.compareEvents(t, r, []modelReport{want})
		h.checkNothingLeft(t, r, opts, way)
	}
}

func comparePlans(t *rapid.T, runs []*run, plans map[*run]*jettison.Plan, want modelReport) {
	for _, r := range runs {
		p := plans[r]
		comparePrunes(t, r.name+": plan of a prune", modelReport{Records: recordLines(p.Records()), Kept: pruneKept(p.Kept()), Space: p.SpaceReclaimed()}, want)
	}
}

func comparePrunes(t *rapid.T, what string, got, want modelReport) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// carryOutPrune prunes.
func (r *run) carryOutPrune(t *rapid.T, opts jettison.PruneOptions, plan *jettison.Plan, way string, batches int) modelReport {
	if way == "apply" {
		records, err := r.service.Apply(t.Context(), plan)
		if err != nil {
			t.Fatalf("%s: apply: %v", r.name, err)
		}
		return modelReport{Records: recordLines(records)}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if batches == 0 {
		cancel()
	}
	looked := jettison.PruneProgress{}
	opts.Progress = func(at jettison.PruneProgress) {
		looked = at
		if batches--; batches == 0 {
			cancel()
		}
	}
	report, err := r.service.ImagesPrune(ctx, opts)
	switch {
	case errors.Is(err, context.Canceled) && way == "cancel": // P8
	case err != nil:
		t.Fatalf("%s: prune: %v", r.name, err)
	case looked.Looked != looked.Total:
		t.Fatalf("%s: prune has ended, but progress was %+v", r.name, looked)
	}
	if report.ImagesDeleted == nil || report.Kept == nil || looked.SpaceReclaimed != report.SpaceReclaimed {
		t.Fatalf("%s: report %+v, progress %+v", r.name, report, looked)
	}
	return modelReport{Records: recordLines(report.ImagesDeleted), Kept: pruneKept(report.Kept), Space: report.SpaceReclaimed}
}

// checkNothingLeft makes sure that one run is enough (P5), unless it was cut
// short or ends at a goal.
func (h *history) checkNothingLeft(t *rapid.T, r *run, opts jettison.PruneOptions, way string) {
	if way == "cancel" || opts.Policy.MaxStorage > 0 || opts.Policy.Disk != nil {
		return
	}
	if opts.Filters[filter.Before] != nil || opts.Filters[filter.Since] != nil {
		return // the image they name may be gone
	}
	plan, err := r.service.PlanPrune(t.Context(), opts)
	if err != nil || len(plan.Records()) > 0 {
		t.Fatalf("%s: after a prune there is more to prune: %v, error %v", r.name, plan.Records(), err)
	}
}

// pruneKept are the images kept, without the words for damage, which each store
// has of its own.
func pruneKept(kept []jettison.Kept) []string {
	lines := keptLines(kept)
	for i, line := range lines {
		if kept[i].Why == jettison.WhyUnreadable {
			lines[i], _, _ = strings.Cut(line, " (")
		}
	}
	return lines
}

func (h *history) pruneOptions(t *rapid.T) jettison.PruneOptions {
	opts := jettison.PruneOptions{
		All:       rapid.Bool().Draw(t, "all"),
		Explain:   rapid.Bool().Draw(t, "explain"),
		BatchSize: rapid.IntRange(0, 4).Draw(t, "batch"),
		Filters:   filter.Args{},
	}
	if rapid.Bool().Draw(t, "with filters") {
		h.drawFilters(t, opts.Filters)
		if opts.All && opts.Filters[filter.Dangling] != nil {
			opts.Filters[filter.Dangling] = []string{"false"}
		}
	}
	if rapid.Bool().Draw(t, "with policy") {
		h.drawPolicy(t, &opts.Policy)
	}
	if !opts.All && !slices.Equal(opts.Filters[filter.Dangling], []string{"false"}) {
		opts.Policy.KeepLast = 0
	}
	return opts
}

// drawFilters draws values that do not contradict each other.
func (h *history) drawFilters(t *rapid.T, args filter.Args) {
	add := func(key string, values ...string) {
		if rapid.IntRange(0, 3).Draw(t, key+" given") > 0 {
			return
		}
		for range rapid.IntRange(1, 2).Draw(t, key+" values") {
			args[key] = append(args[key], rapid.SampledFrom(values).Draw(t, key))
		}
	}
	var dated []imagestore.Image
	for _, img := range h.pool {
		if have := h.model.images[img.ID()]; have != nil && !have.damaged && !have.record.Created.IsZero() {
			dated = append(dated, have.record)
		}
	}
	add(filter.Dangling, "true", "false")
	add(filter.Label, "a", "a=b")
	add(filter.NotLabel, "keep", "a=c", "none")
	add(filter.Until, "90m", "3h", "2001-09-09T02:00:00Z")
	add(filter.Reference, "app", "app:*", "quay.io/team/*", "docker.io/library/app:1.0", "*@sha256:*")
	add(filter.ID, h.pool[0].ID().String(), h.pool[4].ID().Encoded()[:8], h.pool[7].ID().Encoded()[:4])
	for _, key := range []string{filter.Dangling, filter.Until} {
		args[key] = args[key][:min(1, len(args[key]))]
	}
	if len(dated) > 1 && rapid.IntRange(0, 3).Draw(t, "ages") == 0 {
		bounds := rapid.SampledFrom([][]string{{filter.Before}, {filter.Since}, {filter.Since, filter.Before}}).Draw(t, "bounds")
		slices.SortFunc(dated, func(a, b imagestore.Image) int { return a.Created.Compare(b.Created) })
		if dated[0].Created.Before(dated[len(dated)-1].Created) {
			ends := map[string]string{filter.Since: dated[0].ID.String(), filter.Before: dated[len(dated)-1].ID.String()}
			for _, key := range bounds {
				args[key] = []string{ends[key]}
			}
		}
	}
	for key, values := range args {
		if len(values) == 0 {
			delete(args, key)
		}
	}
}

func (h *history) drawPolicy(t *rapid.T, p *jettison.Policy) {
	p.KeepLast = rapid.IntRange(0, 3).Draw(t, "keep last")
	p.MinAge = rapid.SampledFrom([]time.Duration{0, 0, time.Hour, 6 * time.Hour}).Draw(t, "min age")
	p.Protect = rapid.SliceOfN(rapid.SampledFrom([]string{"app:1.0", "quay.io/team/app", "*:2"}), 0, 2).Draw(t, "protect")
	size := h.model.readableBytes()
	switch rapid.SampledFrom([]string{"", "", "storage", "disk"}).Draw(t, "goal") {
	case "storage":
		p.MaxStorage = 1 + size*rapid.Int64Range(0, 10).Draw(t, "tenths")/10
	case "disk":
		usage := jettison.DiskUsage{Used: size, Total: 1 + size*10/rapid.Int64Range(6, 9).Draw(t, "full")}
		p.Disk = &jettison.DiskMarks{High: 70, Low: 40, Usage: func(context.Context) (jettison.DiskUsage, error) { return usage, nil }}
	}
}
