package jettison

import (
	"context"
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// A Policy keeps images that a prune has chosen (rule P10). The parts that are
// set all hold at once: an image goes only if none of them keeps it. An image
// that one of its references keeps is left whole.
type Policy struct {
	// KeepLast keeps the newest N tags of each repository, by the time the
	// image was created, then by name, the last first. Zero keeps none.
	KeepLast int
	// Protect keeps each image with a reference that matches one of these
	// patterns, in the form of the filter "reference".
	Protect []string
	// MinAge keeps images that were created or last used more recently than
	// this, and those of which neither time is known. Zero keeps none.
	MinAge time.Duration
	// MaxStorage is a goal: images go, the least recently used first, until the
	// content of the store is at most this many bytes. What belongs to an
	// unreadable record is not counted. Zero sets no goal.
	MaxStorage int64
	// Disk is a goal too; nil sets none. With both, images go until both are
	// reached.
	Disk *DiskMarks
}

// DiskMarks say how full a disk may be. Nothing is pruned while it is less
// than High percent full; otherwise images go, the least recently used first,
// until it is at most Low percent full.
type DiskMarks struct {
	// High and Low are in percent, above 0 and at most 100, and Low is not
	// above High.
	High, Low float64
	// Usage tells how full the disk is. It is called once for each prune and
	// each plan, within a transaction, so it must not use the service.
	Usage func(ctx context.Context) (DiskUsage, error)
}

// DiskUsage is how full a disk is.
type DiskUsage struct {
	// Used and Total are numbers of bytes. Used may be more than Total, as over
	// a quota; neither is negative, and Total is not zero.
	Used, Total int64
}

// pruning is what the options of a prune mean, checked. It does not change.
type pruning struct {
	all      bool
	explain  bool
	now      time.Time // by which ages are told
	filter   *filter.Filter
	never    *filter.Filter // what "label!" lets pass
	protect  []filter.Pattern
	keepLast int
	minAge   time.Duration
	storage  int64
	disk     *DiskMarks
}

// compilePolicy checks the options before anything is removed. Errors are of
// class InvalidArgument and name the key and the value.
func compilePolicy(opts PruneOptions, now time.Time) (*pruning, error) {
	p := &pruning{
		all: opts.All, explain: opts.Explain, now: now,
		keepLast: opts.Policy.KeepLast, minAge: opts.Policy.MinAge, storage: opts.Policy.MaxStorage,
	}
	if opts.Policy.Disk != nil {
		disk := *opts.Policy.Disk // a plan outlives the call
		p.disk = &disk
	}
	if opts.BatchSize < 0 {
		return nil, class.Errorf(class.InvalidArgument, "batch size %d: want zero or more", opts.BatchSize)
	}
	for _, compile := range []func() error{
		func() error { return p.setFilters(opts.Filters) },
		func() error { return p.setProtected(opts.Policy.Protect) },
		p.chooseAll,
		p.check,
	} {
		if err := compile(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// setFilters also makes a filter of "label!" alone: it holds for ancestors too.
func (p *pruning) setFilters(args filter.Args) (err error) {
	if p.filter, err = filter.New(args, p.now); err != nil {
		return err
	}
	never := filter.Args{}
	if values, ok := args[filter.NotLabel]; ok {
		never[filter.NotLabel] = values
	}
	p.never, err = filter.New(never, p.now)
	return err
}

func (p *pruning) setProtected(patterns []string) error {
	for _, text := range patterns {
		pattern, err := filter.NewPattern(text)
		if err != nil {
			return class.Errorf(class.InvalidArgument, "protect %q: %w", text, err)
		}
		p.protect = append(p.protect, pattern)
	}
	return nil
}

// chooseAll lets the filter "dangling" say whether all images are meant, as in
// Docker's API.
func (p *pruning) chooseAll() error {
	dangling, given := p.filter.Dangling()
	if given && dangling && p.all {
		return class.Errorf(class.InvalidArgument, "dangling=true contradicts pruning all images")
	}
	p.all = p.all || given && !dangling
	return nil
}

func (p *pruning) check() error {
	switch {
	case p.keepLast < 0:
		return class.Errorf(class.InvalidArgument, "keep-last %d: want zero or more", p.keepLast)
	case p.keepLast > 0 && !p.all:
		return class.Errorf(class.InvalidArgument, "keep-last %d: dangling images have no tags, so it needs a prune of all images", p.keepLast)
	case p.minAge < 0:
		return class.Errorf(class.InvalidArgument, "min-age %s: want zero or more", p.minAge)
	case p.storage < 0:
		return class.Errorf(class.InvalidArgument, "keep-storage %d: want zero or more bytes", p.storage)
	case p.disk != nil:
		return p.disk.check()
	}
	return nil
}

func (d *DiskMarks) check() error {
	switch {
	case !(d.High > 0 && d.High <= 100):
		return class.Errorf(class.InvalidArgument, "disk-high %g: want more than 0 and at most 100 percent", d.High)
	case !(d.Low > 0 && d.Low <= 100):
		return class.Errorf(class.InvalidArgument, "disk-low %g: want more than 0 and at most 100 percent", d.Low)
	case d.Low > d.High:
		return class.Errorf(class.InvalidArgument, "disk-low %g is above disk-high %g", d.Low, d.High)
	case d.Usage == nil:
		return class.Errorf(class.InvalidArgument, "disk-high %g: nothing tells how full the disk is", d.High)
	}
	return nil
}

// isYoung reports whether the minimum age keeps the image. Ages are told by the
// time of the call, so that a plan does not run out of date by waiting. What is
// of no known age is not taken for old.
func (p *pruning) isYoung(img imagestore.Image) bool {
	if p.minAge == 0 {
		return false
	}
	used := lastUsed(img)
	return used.IsZero() || used.After(p.now.Add(-p.minAge))
}

// hasGoal reports whether the prune ends when enough is free.
func (p *pruning) hasGoal() bool { return p.storage > 0 || p.disk != nil }

// protects returns the first pattern that one of the references matches.
func (p *pruning) protects(refs []reference.Named) (filter.Pattern, bool) {
	for _, pattern := range p.protect {
		if slices.ContainsFunc(refs, pattern.Match) {
			return pattern, true
		}
	}
	return filter.Pattern{}, false
}

// toFree returns how many bytes have to go for the disk to be at its low mark;
// zero or less while it is under its high mark.
func (d *DiskMarks) toFree(ctx context.Context) (int64, error) {
	usage, err := d.Usage(ctx)
	if err != nil {
		return 0, class.Errorf(class.Unavailable, "disk usage: %w", err)
	}
	if usage.Total <= 0 || usage.Used < 0 {
		return 0, class.Errorf(class.Internal, "disk usage: %d of %d bytes cannot be", usage.Used, usage.Total)
	}
	total := float64(usage.Total)
	if float64(usage.Used) < total*d.High/100 {
		return 0, nil
	}
	return usage.Used - int64(total*d.Low/100), nil
}
