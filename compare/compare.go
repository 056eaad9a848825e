package compare

import (
	"context"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"
)

// A Comparison plays scenarios on Docker's code and on another engine.
type Comparison struct {
	// Engine is what is compared with Docker.
	Engine Engine
	// Met counts, by the ID of the difference, the calls in which it made a
	// change to what Docker did.
	Met map[string]int

	docker, adapted   *Docker
	deletions, prunes []Difference
}

// NewComparison compares engine with Docker.
func NewComparison(engine Engine) *Comparison {
	return &Comparison{
		Engine:    engine,
		Met:       make(map[string]int),
		docker:    NewDocker(),
		adapted:   NewDocker(),
		deletions: Differences(),
		prunes:    PruneDifferences(),
	}
}

// Close frees what both sides hold.
func (c *Comparison) Close() error {
	for _, e := range []Engine{c.Engine, c.docker, c.adapted} {
		if err := e.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Run plays a scenario. It returns the first call whose outcome is neither
// Docker's nor what the differences make of it, or nil. The error is one of the
// comparison itself.
func (c *Comparison) Run(ctx context.Context, s Scenario) (*Mismatch, error) {
	if err := c.Engine.Build(ctx, s.Scene); err != nil {
		return nil, errors.WithMessage(err, "build the engine's side")
	}
	start, err := c.Engine.State(ctx)
	if err != nil {
		return nil, err
	}
	if diff := cmp.Diff(start, s.Scene.State()); diff != "" {
		return nil, errors.Errorf("the engine does not hold the scene (-it +scene):\n%s", diff)
	}
	if err := c.docker.Build(ctx, s.Scene); err != nil {
		return nil, errors.WithMessage(err, "build Docker's side")
	}
	before := s.Scene
	for i, call := range s.Calls {
		m, after, err := c.call(ctx, before, call)
		if m != nil {
			m.Scenario, m.Call = s, i
		}
		if m != nil || err != nil {
			return m, err
		}
		before = after
	}
	return nil, nil
}

// call makes one call on both sides, which hold the scene, and returns the
// scene that both hold afterwards.
func (c *Comparison) call(ctx context.Context, before Scene, call Call) (*Mismatch, Scene, error) {
	got, err := do(ctx, c.Engine, before, call)
	if err != nil {
		return nil, Scene{}, err
	}
	docker, err := do(ctx, c.docker, before, call)
	if err != nil {
		return nil, Scene{}, err
	}
	want, ids, err := c.expect(ctx, before, call, docker)
	if err != nil {
		return nil, Scene{}, err
	}
	if diff := cmp.Diff(got, want); diff != "" {
		return &Mismatch{Before: before, Diff: diff, Got: got, Docker: docker, Applied: ids}, Scene{}, nil
	}
	after, err := before.At(got.After)
	if err == nil && !cmp.Equal(got.After, docker.After) {
		err = c.docker.Build(ctx, after)
	}
	return nil, after, err
}

// expect turns what Docker did into what the rules demand, and names the
// differences that made a change on the way.
func (c *Comparison) expect(ctx context.Context, before Scene, call Call, docker Outcome) (Outcome, []string, error) {
	changed := make(map[string]bool)
	out, scene, adapted := docker.clone(), before, call
	differences := c.deletions
	if call.prunes() {
		differences = c.prunes
	}
	for _, d := range differences {
		if d.Adapt == nil || !d.Applies(before, call) {
			continue
		}
		scene, adapted = d.Adapt(scene, adapted)
		next, err := c.rerun(ctx, scene, adapted)
		if err != nil {
			return Outcome{}, nil, err
		}
		changed[d.ID], out = !d.amend(before, call, next).same(out), next
	}
	for _, d := range differences {
		if d.Amend == nil || !d.Applies(before, call) {
			continue
		}
		next := d.amend(before, call, out)
		changed[d.ID], out = changed[d.ID] || d.Adapt == nil && !cmp.Equal(next, out), next
	}
	var ids []string
	for id, did := range changed {
		if did {
			ids = append(ids, id)
			c.Met[id]++
		}
	}
	slices.Sort(ids)
	if call.prunes() {
		out = out.sorted()
	}
	return out, ids, nil
}

// amend returns what the difference makes of an outcome.
func (d Difference) amend(before Scene, call Call, out Outcome) Outcome {
	if d.Amend == nil {
		return out
	}
	return d.Amend(before, call, out.clone())
}

// rerun makes the call on Docker's code with another scene.
func (c *Comparison) rerun(ctx context.Context, scene Scene, call Call) (Outcome, error) {
	if err := c.adapted.Build(ctx, scene); err != nil {
		return Outcome{}, err
	}
	return do(ctx, c.adapted, scene, call)
}

// do makes the call on an engine that holds the scene. Docker prunes in random
// order, so the records and events of a prune are sorted, and what can be
// compared of the order is in Turns.
func do(ctx context.Context, engine Engine, scene Scene, call Call) (Outcome, error) {
	if !call.prunes() {
		return engine.Delete(ctx, call)
	}
	out, err := engine.Prune(ctx, call)
	out.Turns = turns(scene, out.Records)
	return out.sorted(), err
}
