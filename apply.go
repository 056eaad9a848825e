package jettison

import (
	"context"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/class"
)

// A RemoveReport says what was done about one reference.
type RemoveReport struct {
	// Reference is the text as typed.
	Reference string
	// Image is the ID of the image it was resolved to, or empty.
	Image digest.Digest
	// Records are what was done, in the order of rule D10; never nil unless
	// Err is set.
	Records []DeleteResponse
	// Containers are those that were removed first, in that order; never nil
	// unless Err is set (rule D17).
	Containers []Container
	// Kept are the images that were reached and stay, with the reason.
	Kept []Kept
	// SpaceReclaimed is the number of bytes of content that went.
	SpaceReclaimed int64
	// Err says why nothing was done about this reference.
	Err error

	done []Step
}

// Apply carries out a plan exactly as it says. If the stores have changed since
// in a way that matters to the plan, nothing is done and the error, of class
// Conflict, names the first difference. A removal that the plan refuses is
// skipped. The records and errors are those of [Service.ImageDelete]; of containers
// that went (rule D17) the plan and the events tell.
func (s *Service) Apply(ctx context.Context, plan *Plan) ([]DeleteResponse, error) {
	if plan == nil {
		return nil, class.Errorf(class.InvalidArgument, "there is no plan to apply")
	}
	carryOut := func() ([]RemoveReport, error) { return s.execute(ctx, plan.request, plan) }
	if plan.request.prune != nil {
		carryOut = func() ([]RemoveReport, error) { return s.applyPrune(ctx, plan) }
	}
	reports, err := carryOut()
	records := recordsOf(reports)
	if err != nil && len(records) == 0 {
		return nil, err
	}
	return records, err
}

// changed reports whether anything was done.
func (r RemoveReport) changed() bool { return len(r.done) > 0 }

// recordsOf joins the records of the reports.
func recordsOf(reports []RemoveReport) []DeleteResponse {
	if reports == nil {
		return nil
	}
	records := []DeleteResponse{}
	for _, r := range reports {
		records = append(records, r.Records...)
	}
	return records
}

// A change is the stores of an update that carries out a plan.
type change Stores

// apply carries out the steps of the plan, in order. It decides nothing. The
// records are of what the stores say has gone. After an error it returns the
// reports of what was done before. The plan is used up: its steps become what
// was done.
func (c change) apply(ctx context.Context, plan *Plan) ([]RemoveReport, error) {
	reports := make([]RemoveReport, 0, len(plan.Removals))
	for _, r := range plan.Removals {
		report := RemoveReport{Reference: r.Reference, Image: r.Image, Kept: r.Kept, Err: r.Err}
		err := report.carryOut(ctx, c, r.Steps)
		reports = append(reports, report)
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}

func (r *RemoveReport) carryOut(ctx context.Context, c change, steps []Step) error {
	if r.Err != nil {
		return nil
	}
	r.Records = make([]DeleteResponse, 0, recordsIn(steps))
	r.done = steps[:0]
	defer func() { r.Containers = containersOf(r.done) }()
	for len(steps) > 0 {
		together := c.together(steps)
		done, err := c.carryOut(ctx, together)
		for _, step := range done {
			r.add(step)
		}
		if isNotFound(err) && together[0].Container != nil {
			err = nil // another one has removed it
		}
		if err != nil {
			return err
		}
		steps = steps[len(together):]
	}
	return nil
}

// add notes a step that was carried out.
func (r *RemoveReport) add(done Step) {
	r.done = append(r.done, done)
	r.Records = done.appendRecords(r.Records)
	r.SpaceReclaimed += done.Removed.Size()
}

// together are the first of the steps that the store carries out as one: the first
// alone, or references to an image and then the image, if it can do that.
func (c change) together(steps []Step) []Step {
	if c.Images.Named == nil {
		return steps[:1]
	}
	n := 0
	for n < len(steps) && steps[n].Untag != nil && steps[n].Image == steps[0].Image {
		n++
	}
	if n == 0 || n == len(steps) || !steps[n].deletes() || steps[n].Image != steps[0].Image {
		return steps[:1]
	}
	return steps[:n+1]
}

// carryOut makes the changes, in order, and returns the steps as they really were:
// after an error those before it.
func (c change) carryOut(ctx context.Context, steps []Step) ([]Step, error) {
	last := len(steps) - 1
	if last == 0 {
		done, err := steps[0].carryOut(ctx, c)
		if err != nil {
			return nil, err
		}
		return []Step{done}, nil
	}
	var refs []reference.Named
	for _, step := range steps[:last] {
		refs = append(refs, step.Untag)
	}
	untagged, removed, err := c.Images.Named.DeleteNamed(ctx, steps[last].Image, refs)
	if err != nil {
		return steps[:untagged], steps[untagged].failed(steps[untagged].verb(), err)
	}
	steps[last].Removed = removed
	return steps, nil
}

// deletes reports whether the step deletes its image.
func (s Step) deletes() bool { return s.Container == nil && s.Untag == nil && s.Without == nil }

// verb is what a step that removes a reference or an image does.
func (s Step) verb() string {
	if s.Untag != nil {
		return "untag"
	}
	return "delete"
}

// recordsIn is how many records the steps have.
func recordsIn(steps []Step) int {
	n := len(steps)
	for _, step := range steps {
		n += len(step.Removed.Layers)
	}
	return n
}

// carryOut makes the change and returns the step as it really was.
func (s Step) carryOut(ctx context.Context, c change) (Step, error) {
	if s.Container != nil {
		return s, s.failed("remove", c.removeContainer(ctx, *s.Container))
	}
	if s.Untag != nil {
		err := c.References.Delete(ctx, s.Untag, s.Image)
		return s, s.failed(s.verb(), err)
	}
	if s.Without != nil {
		return s.replace(ctx, c)
	}
	removed, err := c.Images.Delete(ctx, s.Image)
	return Step{Image: s.Image, Removed: removed}, s.failed(s.verb(), err)
}

// replace puts an index without some manifests in the place of the index.
func (s Step) replace(ctx context.Context, c change) (Step, error) {
	if c.Images.Platforms == nil {
		return s, class.Errorf(class.InvalidArgument, "this store cannot remove single platforms")
	}
	next, removed, err := c.Images.Platforms.Replace(ctx, s.Image, s.Without)
	s.Becomes, s.Removed = next.ID, removed
	return s, s.failed("remove platforms of", err)
}

// failed says what the step was to do, if err is not nil.
func (s Step) failed(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.Container != nil:
		return class.Errorf(class.Internal, "%s %s: %w", verb, s.Container, err)
	case s.Untag != nil:
		return class.Errorf(class.Internal, "%s %s: %w", verb, reference.FamiliarString(s.Untag), err)
	default:
		return class.Errorf(class.Internal, "%s %s: %w", verb, s.Image, err)
	}
}

// check compares a plan that was agreed to with the one made now. A nil plan
// agrees to everything.
func (p *Plan) check(now *Plan) error {
	if p == nil {
		return nil
	}
	if p.request.prune == nil { // one removal for each reference, in order
		if len(p.Removals) != len(now.Removals) {
			return class.Errorf(class.InvalidArgument, "the plan was tampered with: it has %d removals for %d references", len(p.Removals), len(now.Removals))
		}
		for i := range p.Removals {
			if err := p.Removals[i].check(&now.Removals[i]); err != nil {
				return err
			}
		}
	}
	before, after := p.steps(), now.steps()
	for i := range max(len(before), len(after)) {
		switch {
		case i >= len(after):
			return outOfDate("%s no longer follows%s", before[i], now.reason(before[i].image))
		case i >= len(before):
			return outOfDate("%s would follow too", after[i])
		case before[i] != after[i]:
			return outOfDate("%s instead of %s%s", after[i], before[i], now.reason(before[i].image))
		}
	}
	return nil
}

// check compares what one reference leads to.
func (r *Removal) check(now *Removal) error {
	switch {
	case r.Err == nil && now.Err != nil:
		return outOfDate("%s: %v", r.Reference, now.Err)
	case r.Err == nil && r.Image != "" && now.Image == "":
		return outOfDate("%s now means nothing", r.Reference)
	case r.Err == nil && r.Image != now.Image:
		return outOfDate("%s now means image %s", r.Reference, now.Image)
	}
	return nil
}

// A plannedStep is what two plans are compared by.
type plannedStep struct {
	reference string
	image     digest.Digest
	becomes   digest.Digest
	container string // its ID
	does      string // a record, or the container that goes, in words
}

func (s plannedStep) String() string {
	if s.reference != "" {
		return s.reference + ": " + s.does
	}
	return s.does
}

func (p *Plan) steps() []plannedStep {
	var all []plannedStep
	for _, r := range p.Removals {
		for _, step := range r.Steps {
			if c := step.Container; c != nil {
				all = append(all, plannedStep{reference: r.Reference, image: step.Image, container: c.ID, does: "Removed: " + c.String()})
			}
			for _, record := range step.appendRecords(nil) {
				all = append(all, plannedStep{reference: r.Reference, image: step.Image, becomes: step.Becomes, does: record.String()})
			}
		}
	}
	return all
}

// reason says why the image is kept, if it is.
func (p *Plan) reason(id digest.Digest) string {
	for _, kept := range p.Kept() {
		if kept.Image == id {
			return ": image " + conflict.Short(id.String()) + " is kept: " + kept.String()
		}
	}
	return ""
}

// outOfDate says how a plan would differ if it were made now.
func outOfDate(format string, args ...any) error {
	return class.Errorf(class.Conflict, "plan is out of date: "+format, args...)
}
