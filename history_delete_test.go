package jettison_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/storetest"
)

// text is what a user may type for an image or a reference.
func (h *history) text(t *rapid.T) string {
	id := h.image(t).ID()
	names := append(slices.Clone(h.names),
		"app", "docker.io/library/app:1.0", "app:ignored@"+digest.FromString("some manifest").String(), h.pool[1].ID().Encoded()[:6])
	given := rapid.SampledFrom(names)
	if len(h.model.refs) > 0 {
		given = rapid.SampledFrom(slices.Sorted(maps.Keys(h.model.refs)))
	}
	return rapid.OneOf(
		given,
		given,
		rapid.SampledFrom(names),
		rapid.Just(id.String()),
		rapid.SampledFrom([]string{
			id.Encoded(), id.Encoded()[:4], id.Encoded()[:12], id.String()[:len("sha256:")+6], id.Encoded()[:3],
		}),
		rapid.SampledFrom([]string{"", "  ", "Not A Name", "nothing", digest.FromString("nothing").String(), "sha256:"}),
	).Draw(t, "text")
}

// delete plans a deletion by any names and carries it out in one of the ways
// there are.
func (h *history) delete(t *rapid.T) {
	names := []string{h.text(t)}
	for rapid.IntRange(0, 2).Draw(t, "more") == 2 {
		names = append(names, h.text(t))
	}
	opts := jettison.RemoveOptions{
		Force: rapid.Bool().Draw(t, "force"), PruneChildren: rapid.Bool().Draw(t, "prune"),
		RemoveContainers: rapid.Bool().Draw(t, "remove containers"), Ignore: rapid.Bool().Draw(t, "ignore"),
	}
	way := rapid.SampledFrom([]string{"apply", "several", "one"}).Draw(t, "way")
	want := h.model.delete(names, opts)
	for _, r := range h.runs {
		r.events = nil
		plan, err := r.service.PlanDelete(t.Context(), names, opts)
		if err != nil {
			t.Fatalf("%s: plan: %v", r.name, err)
		}
		compareReports(t, r.name+": plan", planned(plan), want)
		switch {
		case way == "apply":
			records, err := r.service.Apply(t.Context(), plan)
			compareReports(t, r.name+": applied plan", []modelReport{{Records: recordLines(records), Err: classAndText(err)}}, []modelReport{joined(want)})
		case way == "one" && len(names) == 1:
			records, err := r.service.ImageDelete(t.Context(), names[0], opts)
			compareReports(t, r.name+": deletion", []modelReport{{Records: recordLines(records), Err: classAndText(err)}},
				[]modelReport{{Records: want[0].Records, Err: want[0].Err}})
		default:
			reports, err := r.service.ImagesDelete(t.Context(), names, opts)
			if err != nil {
				t.Fatalf("%s: deletion: %v", r.name, err)
			}
			compareReports(t, r.name+": deletion", carriedOut(reports), want)
		}
		h.compareEvents(t, r, want)
	}
}

func compareReports(t *rapid.T, what string, got, want []modelReport) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// compareEvents makes sure that events are the containers and the records without
// the layers (E2).
func (h *history) compareEvents(t *rapid.T, r *run, want []modelReport) {
	var events []string
	for _, report := range want {
		for _, container := range report.Removed {
			events = append(events, "Removed: "+container)
		}
		events = append(events, report.Records...)
	}
	events = slices.DeleteFunc(events, func(record string) bool {
		id, deleted := strings.CutPrefix(record, "Deleted: ")
		return deleted && !slices.ContainsFunc(h.pool, func(img storetest.Image) bool { return img.ID().String() == id })
	})
	if diff := cmp.Diff(events, r.events, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: events (-want +got):\n%s", r.name, diff)
	}
}

// planned is what a plan says.
func planned(plan *jettison.Plan) []modelReport {
	var reports []modelReport
	for _, r := range plan.Removals {
		reports = append(reports, modelReport{
			Removed: ids(r.Containers()), Records: recordLines(r.Records()), Kept: keptLines(r.Kept), Space: r.SpaceReclaimed(), Err: classAndText(r.Err),
		})
	}
	return reports
}

// carriedOut is what a deletion reports.
func carriedOut(done []jettison.RemoveReport) []modelReport {
	var reports []modelReport
	for _, r := range done {
		reports = append(reports, modelReport{
			Removed: ids(r.Containers), Records: recordLines(r.Records), Kept: keptLines(r.Kept), Space: r.SpaceReclaimed, Err: classAndText(r.Err),
		})
	}
	return reports
}

// joined is the records of all reports.
func joined(reports []modelReport) modelReport {
	var all modelReport
	for _, r := range reports {
		all.Records = append(all.Records, r.Records...)
	}
	return all
}

func ids(containers []jettison.Container) []string {
	var all []string
	for _, c := range containers {
		all = append(all, c.ID)
	}
	return all
}

func recordLines(records []jettison.DeleteResponse) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.String())
	}
	return all
}

func keptLines(kept []jettison.Kept) []string {
	var all []string
	for _, k := range kept {
		all = append(all, k.Image.String()+": "+scripttest.KeptText(k))
	}
	return all
}

// classAndText is the class of an error and its text, where the rules give one.
func classAndText(err error) string {
	if err == nil {
		return ""
	}
	class := classOf(err)
	if class == "InvalidArgument" {
		return class
	}
	return class + ": " + err.Error()
}

// historyTB lets a backend be opened for one history: it ends with the history
// and fails it.
type historyTB struct {
	testing.TB
	rt       *rapid.T
	cleanups []func()
}

func (tb *historyTB) Cleanup(fn func()) { tb.cleanups = append(tb.cleanups, fn) }

func (tb *historyTB) Errorf(format string, args ...any) { tb.rt.Errorf(format, args...) }

func (tb *historyTB) Fatalf(format string, args ...any) { tb.rt.Fatalf(format, args...) }

func (tb *historyTB) cleanup() {
	for _, fn := range slices.Backward(tb.cleanups) {
		fn()
	}
}
