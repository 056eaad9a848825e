package jettison

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// PruneOptions say what to prune. The zero value prunes the dangling images.
type PruneOptions struct {
	// All prunes every image without a use instead of only the dangling ones
	// (rule P2).
	All bool
	// Filters narrow the choice (rule P4).
	Filters filter.Args
	// Policy keeps some of what is chosen (rule P10).
	Policy Policy
	// Explain asks for the reason of every image that stays. Without it only
	// those that were chosen and stay are reported, and those that are
	// unreadable.
	Explain bool
	// BatchSize is how many images are looked at in one transaction; others can
	// work between two. Zero means 65,536, and less is InvalidArgument. What is
	// pruned does not depend on it.
	BatchSize int
	// Progress, if not nil, is called after each transaction.
	Progress func(PruneProgress)
}

// PruneProgress says how far a prune has come.
type PruneProgress struct {
	// Looked is how many of the Total images that may go have been looked at.
	Looked, Total int
	// SpaceReclaimed is the number of bytes that have gone.
	SpaceReclaimed int64
}

// A PruneReport says what a prune did. The first two fields have the names and
// the JSON of Docker's API.
type PruneReport struct {
	// ImagesDeleted are the records, in the order of the changes; never nil.
	ImagesDeleted []DeleteResponse
	// SpaceReclaimed is the number of bytes of the content that really went,
	// each piece counted once (rule P7).
	SpaceReclaimed int64
	// Kept are the images that stay, each with the reason.
	Kept []Kept `json:"-"`
}

// defaultBatch is how many images are looked at in one transaction. It bounds
// what a transaction holds in memory and how long it keeps others waiting.
const defaultBatch = 65536

// ImagesPrune deletes the images that nothing needs, by rules P1 to P10: by
// default the dangling ones, with All every one without a use. An image in use
// is left whole. Ancestors that dangle because of it go in the same call.
//
// The work is done oldest first in transactions of bounded size. On an error or
// a cancellation the report of what was done comes back with the error (rule
// P8); it is nil only when nothing was begun: with options that make no sense,
// of class InvalidArgument, and while another prune runs on this service, of
// class Conflict (rule P1).
//
// Besides what the report holds, memory is taken by the records of the images
// that the filters choose, and by the plan of one batch.
func (s *Service) ImagesPrune(ctx context.Context, opts PruneOptions) (*PruneReport, error) {
	policy, err := compilePolicy(opts, s.now())
	if err != nil {
		return nil, err
	}
	if err := s.beginPrune(); err != nil {
		return nil, err
	}
	defer s.pruning.Store(false)
	run := &pruneRun{service: s, policy: policy, progress: opts.Progress}
	err = classify(run.do(ctx, opts.BatchSize))
	report := run.report()
	if err == nil || len(report.ImagesDeleted) > 0 {
		s.announcePrune(ctx, report.SpaceReclaimed)
	}
	return report, err
}

// beginPrune lets one prune run at a time (rule P1). Whoever may begin ends it
// by storing false.
func (s *Service) beginPrune() error {
	if !s.pruning.CompareAndSwap(false, true) {
		return class.Errorf(class.Conflict, "a prune operation is already running")
	}
	return nil
}

// announcePrune sends the event that ends a prune.
func (s *Service) announcePrune(ctx context.Context, space int64) {
	if s.events == nil {
		return
	}
	s.events(context.WithoutCancel(ctx), Event{Action: ActionPrune, SpaceReclaimed: space, Time: s.now()})
}

// PlanPrune says what [Service.ImagesPrune] would do now, and changes nothing.
// [Service.Apply] carries out that very plan, in one transaction; it is then
// the prune that runs (rule P1), and ends with the event of one. Ages are those
// at the time of the plan.
func (s *Service) PlanPrune(ctx context.Context, opts PruneOptions) (*Plan, error) {
	policy, err := compilePolicy(opts, s.now())
	if err != nil {
		return nil, err
	}
	var plan *Plan
	err = s.backend.View(ctx, func(stores Stores) (err error) {
		plan, err = s.planPrune(ctx, stores, request{prune: policy})
		return err
	})
	if err != nil {
		return nil, classify(err)
	}
	return plan, nil
}

// applyPrune carries out the plan of a prune, as a prune.
func (s *Service) applyPrune(ctx context.Context, plan *Plan) ([]RemoveReport, error) {
	if err := s.beginPrune(); err != nil {
		return nil, err
	}
	defer s.pruning.Store(false)
	reports, err := s.execute(ctx, plan.request, plan)
	var space int64
	for _, r := range reports {
		space += r.SpaceReclaimed
	}
	if err == nil || len(recordsOf(reports)) > 0 {
		s.announcePrune(ctx, space)
	}
	return reports, err
}

// planPrune plans a whole prune on one state of the stores.
func (s *Service) planPrune(ctx context.Context, stores Stores, req request) (*Plan, error) {
	p := s.pruner(stores, req.prune)
	p.records = make(map[digest.Digest]imagestore.Image)
	queue, unreadable, err := p.survey(ctx)
	if err != nil {
		return nil, err
	}
	plan, _, err := p.planBatch(ctx, queue)
	if err != nil {
		return nil, err
	}
	plan.request, plan.Removals = req, slices.Concat(unreadable, plan.Removals)
	return plan, nil
}

// A pruneRun is a prune being carried out, batch by batch.
type pruneRun struct {
	service  *Service
	policy   *pruning
	progress func(PruneProgress)
	survey   *survey
	done     PruneReport
	kept     keptList
}

func (r *pruneRun) do(ctx context.Context, batchSize int) error {
	var queue []candidate
	err := r.service.backend.View(ctx, func(stores Stores) error {
		p := r.service.pruner(stores, r.policy)
		chosen, unreadable, err := p.survey(ctx)
		if err != nil {
			return err
		}
		queue, r.survey = chosen, p.found
		for _, removal := range unreadable {
			r.kept.add(removal.Kept, nil)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if batchSize == 0 {
		batchSize = defaultBatch
	}
	for looked := 0; looked < len(queue); {
		n, err := r.batch(ctx, queue[looked:min(looked+batchSize, len(queue))])
		if err != nil {
			return err
		}
		looked += n
		if r.progress != nil {
			r.progress(PruneProgress{Looked: looked, Total: len(queue), SpaceReclaimed: r.done.SpaceReclaimed})
		}
	}
	return nil
}

// batch prunes some images in one transaction, and returns how many it has looked
// at. Each is looked at anew: others may have worked since the survey. It ends
// where the goal should be reached, for only then is it known what has really gone
// (rule P7).
func (r *pruneRun) batch(ctx context.Context, images []candidate) (looked int, err error) {
	s := r.service
	reports, err := s.update(ctx, func(stores Stores) (plan *Plan, err error) {
		p := s.pruner(stores, r.policy)
		p.found = r.survey.clone()
		p.stopsAtGoal = r.policy.hasGoal() && p.found.toFree > 0
		plan, looked, err = p.planBatch(ctx, images)
		return plan, err
	})
	records := 0
	for _, report := range reports {
		records += len(report.Records)
	}
	r.done.ImagesDeleted = slices.Grow(r.done.ImagesDeleted, records)
	for _, report := range reports {
		r.done.ImagesDeleted = append(r.done.ImagesDeleted, report.Records...)
		r.done.SpaceReclaimed += report.SpaceReclaimed
		r.survey.toFree -= report.SpaceReclaimed
		r.kept.add(report.Kept, report.done)
	}
	return looked, err
}

func (r *pruneRun) report() *PruneReport {
	r.done.Kept = r.kept.kept()
	if r.done.ImagesDeleted == nil {
		r.done.ImagesDeleted = []DeleteResponse{}
	}
	return &r.done
}
