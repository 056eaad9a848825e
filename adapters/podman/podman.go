package podman

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.podman.io/storage"
	"golang.org/x/sync/semaphore"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
)

// Options configure a [Store]. The zero value of each field is a safe default.
type Options struct {
	// GraphRoot is the directory of the store, which `podman --root` names. The
	// default is that of the configuration of the library (storage.conf), for the
	// user that runs this process. Only Open reads it.
	GraphRoot string
	// RunRoot is the directory of what a reboot may take away, which `podman
	// --runroot` names: it tells which layers are mounted and which containers
	// run. It must be the one that Podman uses for the store. The default is that
	// of the configuration. Only Open reads it.
	RunRoot string
	// Driver is the storage driver of the store. The default is the one that the
	// directory has a store of. Only Open reads it.
	Driver string
	// DriverOptions are handed to the storage driver, such as
	// "overlay.imagestore=DIR" for an additional store. The default is what the
	// configuration says, if the driver is the one that it names. Only Open reads
	// them.
	DriverOptions []string
	// LockTimeout is how long a View and an Update wait for locks of the store
	// that others hold, unless their context ends sooner. The default is thirty
	// seconds; a negative value does not wait.
	LockTimeout time.Duration
	// ShortNames say what names without a domain may mean. The default is what
	// [ReadShortNames] reads when the first such name is looked for.
	ShortNames *ShortNames
	// RemoveContainer removes a container of Podman itself, which keeps records of
	// it that the store knows nothing of. It is asked about no other containers. A
	// container that is still there afterwards is an error. The default is
	// [Command] with the program "podman".
	RemoveContainer func(context.Context, jettison.Container) error
	// Logger receives warnings about images whose documents cannot be read. The
	// default discards them.
	Logger *slog.Logger
}

// views is how many Views may run at once.
const views = 1 << 20

// A Store is a [jettison.Backend] over a store of the library containers/storage.
// It is safe for concurrent use, but a function that one of its methods runs must
// not call another one.
type Store struct {
	store   storage.Store
	layout  layout
	timeout time.Duration
	log     *slog.Logger
	configs *configs
	removal func(context.Context, jettison.Container) error
	// shortNames returns what is configured of them, which is read once.
	shortNames func() (*ShortNames, error)

	running *semaphore.Weighted // each View takes one part, an Update all
	leases  *leases
	opened  bool // by Open, and not by the program
	closed  bool // who has all of running may write it
}

var _ jettison.Partial = (*Store)(nil)

// New returns a backend over a store that the program has opened itself. Nil
// options mean the defaults. The store remains the program's.
func New(store storage.Store, opts *Options) *Store {
	if opts == nil {
		opts = &Options{}
	}
	s := &Store{
		store:   store,
		layout:  layoutOf(store),
		timeout: opts.lockTimeout(),
		log:     opts.Logger,
		configs: newConfigs(),
		removal: opts.RemoveContainer,
		running: semaphore.NewWeighted(views),
		leases:  newLeases(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.shortNames = sync.OnceValues(func() (*ShortNames, error) {
		if opts.ShortNames != nil {
			return opts.ShortNames, nil
		}
		return ReadShortNames()
	})
	if s.removal == nil {
		s.removal = Command(store, "podman")
	}
	return s
}

func (o *Options) lockTimeout() time.Duration {
	if o.LockTimeout == 0 {
		return 30 * time.Second
	}
	return o.LockTimeout
}

// begin takes parts of what may run at once.
func (s *Store) begin(ctx context.Context, parts int64) (end func(), err error) {
	if err := s.running.Acquire(ctx, parts); err != nil {
		return nil, class.Wrap(class.Unavailable, err)
	}
	end = func() { s.running.Release(parts) }
	if s.closed {
		end()
		return nil, class.Errorf(class.InvalidArgument, "the store %s is closed", s.layout.root)
	}
	return end, nil
}

// Partial says that an update cannot be undone.
func (s *Store) Partial() {}

// View runs fn on one consistent state, as [jettison.Backend] says: on what the
// records of the store say when it begins. What fn sees of it does not change.
// Documents of images are read when fn asks for them; one of an image that
// another process has deleted meanwhile is NotFound.
//
// It waits for an Update of this process and for whoever has the store locked.
// The error is a [*LockedError] when that takes too long, and an
// [*IncompleteError] when the store has to be mended first.
func (s *Store) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return s.view(ctx, func(st *state) error { return fn(st.stores()) })
}

func (s *Store) view(ctx context.Context, fn func(*state) error) error {
	end, err := s.begin(ctx, 1)
	if err != nil {
		return err
	}
	defer end()
	st, err := s.look(ctx, reading)
	if err != nil {
		return err
	}
	return fn(st)
}

// Update runs fn while no other Update of this package runs, in this process or
// in another one that has the same run root. They take turns: whoever updates again
// and again lets those who wait go first. The library has no transaction over several
// calls: each change stands by itself (see [jettison.Partial]). What Podman changes
// meanwhile is noticed by the change that it concerns, which is refused then. Errors
// are those of View.
func (s *Store) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	end, err := s.begin(ctx, views)
	if err != nil {
		return err
	}
	defer end()
	endTurn, err := s.layout.takeTurn(ctx, s.timeout)
	if err != nil {
		return err
	}
	defer endTurn()
	st, err := s.look(ctx, writing)
	if err != nil {
		return err
	}
	return fn(st.stores())
}
