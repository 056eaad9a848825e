package compare_test

import (
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/daemon/images"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/compare"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
)

// made adds an image without layers; created may be empty.
func (s *stage) made(name, parent, created string, labels ...string) *stage {
	s.t.Helper()
	config := map[string]any{}
	for _, label := range labels {
		config[label] = "1"
	}
	parts := map[string]any{"config": map[string]any{"Labels": config}}
	if created != "" {
		parts["created"] = created
	}
	s.addWith(name, compare.Image{Parent: s.ids[parent]}, parts)
	return s
}

// prune makes a prune on an engine that was built, and tells the outcome but
// for the events, sorted where only Docker's order is random.
func (s *stage) prune(engine compare.Engine, args filter.Args) []string {
	s.t.Helper()
	out, err := engine.Prune(s.t.Context(), compare.Call{Filters: args})
	if err != nil {
		s.t.Fatal(err)
	}
	out.Events = nil
	lines := s.tell(out)
	slices.Sort(lines)
	return lines
}

// bothPrune checks what each side answers to a prune of the stage.
func (s *stage) bothPrune(args filter.Args, docker, ours []string) {
	s.t.Helper()
	what := strings.Join(args.KeyValues(), " ")
	theirs, own := compare.NewDocker(), compare.NewJettison()
	s.build(theirs)
	s.build(own)
	equal(s.t, "Docker: "+what, s.prune(theirs, args), docker)
	equal(s.t, "Jettison: "+what, s.prune(own, args), ours)
}

// all are the filters that prune all images, and more if given: pairs of key
// and value.
func all(pairs ...string) filter.Args {
	args := filter.Args{filter.Dangling: {"false"}}
	for pair := range slices.Chunk(pairs, 2) {
		args[pair[0]] = append(args[pair[0]], pair[1])
	}
	return args
}

func showD10(t *testing.T) {
	s := newStage(t)
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	for _, engine := range []compare.Engine{docker, ours} {
		out, err := engine.Prune(t.Context(), compare.Call{Filters: all()})
		if isDocker := engine == compare.Engine(docker); err != nil || len(out.Records) > 0 || (out.Records == nil) != isDocker {
			t.Errorf("%T: got %#v, %v; want no list from Docker only", engine, out.Records, err)
		}
	}
}

func showP3(t *testing.T) {
	s := newStage(t).made("A", "", "").reference("app:1", "A").reference("app:2", "A")
	s.container("1", conflict.Container{Image: s.ids["A"]})
	s.bothPrune(all(), []string{"untagged app:1"}, nil)
	// Nor does Docker's prune of dangling images leave all digest references.
	s = newStage(t).made("A", "", "").reference("app@D", "A").reference("db@D", "A")
	s.container("1", conflict.Container{Image: s.ids["A"], Running: true})
	s.bothPrune(filter.Args{}, []string{"untagged app@D"}, nil)
}

func showP4(t *testing.T) {
	s := newStage(t).made("A", "", "", "keep").made("B", "", "", "keep", "pinned").made("C", "", "")
	s.addWith("D", compare.Image{}, nil)
	s.bothPrune(all(filter.NotLabel, "keep", filter.NotLabel, "pinned"),
		[]string{"deleted A", "deleted C", "deleted D"}, []string{"deleted C", "deleted D"})
	s.bothPrune(all(filter.Label, "keep"),
		[]string{"deleted A", "deleted B", "deleted D"}, []string{"deleted A", "deleted B"})
}

func showP4Keys(t *testing.T) {
	s := newStage(t).made("A", "", "2024-01-01T00:00:00Z").made("B", "", "2025-01-01T00:00:00Z").reference("app:1", "A").reference("db:1", "B")
	for key, args := range map[string]filter.Args{
		filter.Reference: all(filter.Reference, "app"),
		filter.ID:        all(filter.ID, s.id("A")),
		filter.Before:    all(filter.Before, "db:1"),
	} {
		s.bothPrune(args,
			[]string{"InvalidArgument: invalid filter '" + key + "'"},
			[]string{"deleted A", "untagged app:1"})
	}
	s.bothPrune(all(filter.Since, "app:1"),
		[]string{"InvalidArgument: invalid filter 'since'"},
		[]string{"deleted B", "untagged db:1"})
}

func showP4Until(t *testing.T) {
	s := newStage(t).made("A", "", "2024-01-01T00:00:00Z").made("B", "", "2024-01-02T00:00:00Z").made("C", "", "0001-01-01T00:00:00Z")
	s.bothPrune(all(filter.Until, "2024-01-02T00:00:00Z"),
		[]string{"deleted A", "deleted B", "deleted C"}, []string{"deleted A"})
}

func showP4Values(t *testing.T) {
	const noTime = "neither a duration such as 24h, an RFC 3339 time nor Unix seconds"
	s := newStage(t).made("A", "", "2024-01-01T00:00:00Z", "keep")
	for _, test := range []struct {
		args         filter.Args
		docker, ours string
	}{
		{all(filter.NotLabel, ""), "deleted A", "invalid filter 'label!': empty value"},
		{all(filter.Until, "soon"), `: failed to parse value as time or duration: "soon"`, "invalid filter 'until=soon': " + noTime},
		{all(filter.Until, "1h", filter.Until, "2h"), ": more than one until filter specified", "invalid filter 'until=2h': more than one until filter specified"},
		{all(filter.Until, "-1h"), "deleted A", "invalid filter 'until=-1h': negative duration"},
		{all(filter.Label, "keep", filter.NotLabel, "keep"), "", "invalid filter 'label!=keep': contradicts 'label=keep'"},
		{filter.Args{filter.Dangling: {"maybe"}}, "InvalidArgument: invalid filter 'dangling=[maybe]'", "invalid filter 'dangling=maybe': neither true, 1, false nor 0"},
	} {
		var docker []string
		if test.docker != "" {
			docker = []string{test.docker}
		}
		s.bothPrune(test.args, docker, []string{"InvalidArgument: " + test.ours})
	}
}

func showP5(t *testing.T) {
	// A has no name but a digest: it dangles once B is gone.
	s := newStage(t).made("A", "", "").made("B", "A", "").reference("app@D", "A")
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	equal(t, "Docker", s.prune(docker, filter.Args{}), []string{"deleted B"})
	equal(t, "Docker, again", s.prune(docker, filter.Args{}), []string{"deleted A", "untagged app@D"})
	equal(t, "Jettison", s.prune(ours, filter.Args{}), []string{"deleted A", "deleted B", "untagged app@D"})
	equal(t, "Jettison, again", s.prune(ours, filter.Args{}), nil)
}

func showP5Label(t *testing.T) {
	s := newStage(t).made("A", "", "", "keep").made("B", "A", "")
	s.bothPrune(all(filter.NotLabel, "keep"), []string{"deleted A", "deleted B"}, []string{"deleted B"})
}

func showP6(t *testing.T) {
	s := newStage(t)
	s.made("A", "", "2024-01-03T00:00:00Z").made("B", "", "2024-01-01T00:00:00Z").made("C", "", "2024-01-02T00:00:00Z").made("D", "", "2024-01-02T00:00:00Z")
	want := []string{"deleted B", "deleted C", "deleted D", "deleted A"}
	if s.id("D") < s.id("C") {
		want[1], want[2] = want[2], want[1]
	}
	docker, ours := compare.NewDocker(), compare.NewJettison()
	orders := map[string]bool{}
	for range 100 {
		orders[strings.Join(s.pruneInOrder(docker), ", ")] = true
		equal(t, "Jettison", s.pruneInOrder(ours), want)
	}
	if len(orders) < 2 {
		t.Errorf("Docker: the same order in 100 runs: %v", orders)
	}
}

// pruneInOrder builds the stage and tells the records of a prune as they come.
func (s *stage) pruneInOrder(engine compare.Engine) []string {
	s.t.Helper()
	s.build(engine)
	out, err := engine.Prune(s.t.Context(), compare.Call{Filters: filter.Args{}})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.tell(compare.Outcome{Records: out.Records})
}

func showP7(t *testing.T) {
	base, shared := digest.FromString("base"), digest.FromString("shared")
	s := newStage(t)
	s.add("A", compare.Image{DiffIDs: []digest.Digest{shared}})
	s.add("B", compare.Image{DiffIDs: []digest.Digest{base, shared}})
	once := compare.LayerSize(base) + compare.LayerSize(shared)
	for engine, want := range map[compare.Engine]int64{
		compare.NewDocker(): once + compare.LayerSize(shared), compare.NewJettison(): once,
	} {
		s.build(engine)
		out, err := engine.Prune(t.Context(), compare.Call{Filters: filter.Args{}})
		if err != nil || out.Reclaimed != want || out.Events[len(out.Events)-1].Reclaimed != strconv.FormatInt(want, 10) {
			t.Errorf("%T: got %d, %v, %v; want %d", engine, out.Reclaimed, out.Events, err, want)
		}
	}
}

func showP8(t *testing.T) {
	s := newStage(t).made("A", "", "2024-01-01T00:00:00Z").made("B", "", "2024-01-02T00:00:00Z")
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	ctx, cancel := context.WithCancel(t.Context())
	docker.Containers.Asked = cancel // in the midst of the first image
	out, err := docker.Prune(ctx, compare.Call{Filters: filter.Args{}})
	if err != nil || out.Failure != (compare.Failure{}) || len(out.Records) != 1 {
		t.Errorf("Docker: got %v, %v, %v; want one record and no error", out.Records, out.Failure, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	report, err := ours.Service.ImagesPrune(ctx, jettison.PruneOptions{
		BatchSize: 1, Progress: func(jettison.PruneProgress) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || report == nil || len(report.ImagesDeleted) != 1 {
		t.Errorf("Jettison: got %v, %v; want one record and the context's error", report, err)
	}
	for _, engine := range []compare.Engine{docker, ours} {
		if left := s.images(engine); len(left) != 1 {
			t.Errorf("%T: left %v; want one", engine, left)
		}
	}
}

func showP9(t *testing.T) {
	s := newStage(t).made("A", "", "")
	service := reflect.TypeFor[*images.ImageService]()
	for i := range service.NumMethod() {
		if name := service.Method(i).Name; strings.Contains(name, "Prune") && name != "ImagesPrune" {
			t.Errorf("Docker: has %s too", name)
		}
	}
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	equal(t, "Docker", s.prune(docker, filter.Args{"dry-run": {"true"}}), []string{"InvalidArgument: invalid filter 'dry-run'"})
	plan, err := ours.Service.PlanPrune(t.Context(), jettison.PruneOptions{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Jettison's images after the plan", s.images(ours), []string{"A"})
	report, err := ours.Service.ImagesPrune(t.Context(), jettison.PruneOptions{})
	if err != nil || len(report.ImagesDeleted) != 1 || !slices.Equal(report.ImagesDeleted, plan.Records()) {
		t.Errorf("Jettison: got %v, %v; want what was planned: %v", report, err, plan.Records())
	}
}

// TestPrunesRunAlone starts a prune while one runs: both sides refuse it in
// the same words (rule P1).
func TestPrunesRunAlone(t *testing.T) {
	s := newStage(t).made("A", "", "")
	docker, ours := compare.NewDocker(), compare.NewJettison()
	s.build(docker)
	s.build(ours)
	refused := []string{"Conflict: a prune operation is already running"}
	asked := 0
	docker.Containers.Asked = func() {
		if asked++; asked == 1 {
			equal(t, "Docker", s.prune(docker, filter.Args{}), refused)
		}
	}
	s.prune(docker, filter.Args{})
	var second error
	_, err := ours.Service.ImagesPrune(t.Context(), jettison.PruneOptions{Progress: func(jettison.PruneProgress) {
		_, second = ours.Service.ImagesPrune(t.Context(), jettison.PruneOptions{})
	}})
	if err != nil || asked == 0 || !errors.Is(second, jettison.ErrConflict) || "Conflict: "+second.Error() != refused[0] {
		t.Errorf("Jettison: got %v, then %v; want %v", second, err, refused)
	}
}
