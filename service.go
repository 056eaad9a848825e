package jettison

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison/internal/class"
)

// A Service deletes images from a [Backend]. It keeps no state of its own but
// that a prune is running, and is safe for concurrent use; several services may
// share a backend. New makes one; the zero value is none.
type Service struct {
	backend   Backend
	partial   bool
	log       *slog.Logger
	events    func(context.Context, Event)
	now       func() time.Time
	platforms PlatformMatcher
	pruning   atomic.Bool // a prune is running (rule P1)
}

// Options configure a [Service]. The zero value of each field is a safe
// default.
type Options struct {
	// Logger receives warnings about damage that a deletion works around. The
	// default discards them.
	Logger *slog.Logger
	// Events is called for each event, in order, after the change is durable
	// and before the call returns (rule E2). It must not block for long, and be
	// safe for concurrent use: calls at once send their events at once. The
	// default ignores events.
	Events func(context.Context, Event)
	// Now is the clock by which leases expire. The default is time.Now.
	Now func() time.Time
	// Platforms matches platforms for rule R8. The default is
	// [MatchPlatform].
	Platforms PlatformMatcher
}

// New returns a service over b. Nil options mean the defaults. Every call on a
// service over a nil b is an error of class InvalidArgument.
func New(b Backend, opts *Options) *Service {
	if b == nil {
		b = noBackend{}
	}
	if opts == nil {
		opts = &Options{}
	}
	_, partial := b.(Partial)
	s := &Service{
		backend:   b,
		partial:   partial,
		log:       opts.Logger,
		events:    opts.Events,
		now:       opts.Now,
		platforms: opts.Platforms,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.platforms == nil {
		s.platforms = MatchPlatform
	}
	return s
}

// noBackend stands for a backend that was not given.
type noBackend struct{}

func (noBackend) View(context.Context, func(Stores) error) error { return errNoBackend }

func (noBackend) Update(context.Context, func(Stores) error) error { return errNoBackend }

var errNoBackend = class.Errorf(class.InvalidArgument, "the service has no stores")

// errNothingToDo ends a transaction in which there is nothing to commit.
var errNothingToDo = errors.New("nothing to do")

// execute plans the request and carries the plan out, in one transaction. If
// agreed is not nil, the plan must come out the same.
func (s *Service) execute(ctx context.Context, req request, agreed *Plan) ([]RemoveReport, error) {
	reports, err := s.update(ctx, func(stores Stores) (*Plan, error) {
		plan, err := s.plan(ctx, stores, req)
		if err == nil {
			err = agreed.check(plan)
		}
		return plan, err
	})
	return reports, classify(err)
}

// update carries out what makePlan returns, in one transaction, and sends the
// events. After an error there are reports only of what a [Partial] backend has
// done.
func (s *Service) update(ctx context.Context, makePlan func(Stores) (*Plan, error)) ([]RemoveReport, error) {
	var done []RemoveReport
	err := s.backend.Update(ctx, func(stores Stores) error {
		done = nil // a lost race runs this again
		plan, err := makePlan(stores)
		if err != nil {
			return err
		}
		c := change(stores)
		done, err = c.apply(ctx, plan)
		if err == nil && !slices.ContainsFunc(done, RemoveReport.changed) {
			return errNothingToDo
		}
		return s.collect(ctx, c, done, err)
	})
	if errors.Is(err, errNothingToDo) {
		err = nil
	}
	if err != nil && !s.partial {
		return nil, err
	}
	s.announce(ctx, done)
	return done, err
}

// classify gives err the one class that it has (rule E1): what no store has
// given a class is Internal.
func classify(err error) error { return class.Wrap(class.Internal, err) }
