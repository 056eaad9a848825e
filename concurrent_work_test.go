package jettison_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/refstore"
)

// stormWorker is one of the goroutines.
type stormWorker struct {
	*storm
	number int
	turn   int
	rnd    *rand.Rand
	held   []*jettison.Lease
}

// work does one random thing, which may be refused but not fail.
func (w *stormWorker) work(ctx context.Context) {
	w.turn++
	w.lookAtHeld(ctx)
	img := w.anyImage(w.rnd)
	opts := jettison.RemoveOptions{
		Force: w.rnd.IntN(2) == 0, PruneChildren: w.rnd.IntN(2) == 0, RemoveContainers: w.rnd.IntN(3) == 0,
	}
	switch w.rnd.IntN(17) {
	case 0, 1:
		w.create(ctx, img)
	case 2:
		w.tag(ctx, w.newName(), img)
	case 3:
		w.delete(ctx, img.String(), opts)
	case 4, 5:
		w.delete(ctx, w.anyName(w.rnd), opts)
	case 6:
		w.deleteSeveral(ctx, []string{w.anyName(w.rnd), img.String(), w.anyName(w.rnd)}, opts)
	case 7:
		w.deleteAsPlanned(ctx, []string{w.anyName(w.rnd), img.String()}, opts)
	case 8, 9:
		w.tag(ctx, w.newName(), img)
	case 10:
		w.pruneSome(ctx)
	case 11:
		w.pruneMost(ctx)
	case 12:
		w.pruneAsPlanned(ctx)
	case 13:
		w.lease(ctx, img)
	case 14:
		w.hold(ctx, img)
	case 15:
		w.use(ctx, img)
	default:
		w.run(ctx, img)
	}
}

// expect makes sure that err is nil or of one of these classes.
func (w *stormWorker) expect(what string, err error, classes ...error) {
	if err != nil && !slices.ContainsFunc(classes, func(class error) bool { return errors.Is(err, class) }) {
		w.t.Errorf("%s: got unexpected error %v", what, err)
	}
}

// create makes an image that was never there, perhaps with a parent, which may
// be gone, and a name.
func (w *stormWorker) create(ctx context.Context, parent digest.Digest) {
	spec := stormSpec(fmt.Sprintf("of worker %d, number %d", w.number, w.turn), w.rnd.IntN(10))
	if w.rnd.IntN(3) == 0 {
		spec.Parent = parent
	}
	img := spec.Image()
	err := w.opened.Create(ctx, img)
	w.expect("create", err, jettison.ErrNotFound)
	if err != nil {
		return
	}
	w.made(img)
	if w.rnd.IntN(2) == 0 {
		w.tag(ctx, w.newName(), img.ID())
	}
}

// newName is a name that nobody else gives: of a few repositories, so that an
// image gets several in one.
func (w *stormWorker) newName() string {
	repository := fmt.Sprintf("app%d", w.rnd.IntN(3))
	own := fmt.Sprintf("%d-%d", w.number, w.turn)
	if w.rnd.IntN(4) == 0 {
		return repository + "@" + digest.FromString(own).String()
	}
	return repository + ":" + own
}

func (w *stormWorker) tag(ctx context.Context, name string, id digest.Digest) {
	err := w.opened.Tag(ctx, name, id, refstore.AddOptions{})
	w.expect("tag "+name, err, jettison.ErrNotFound)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.names[name] = id
		w.given = append(w.given, name)
	}
}

func (w *stormWorker) delete(ctx context.Context, ref string, opts jettison.RemoveOptions) {
	w.deleteBy(ctx, w.services[0], []string{ref}, opts)
}

func (w *stormWorker) deleteSeveral(ctx context.Context, refs []string, opts jettison.RemoveOptions) {
	w.deleteBy(ctx, w.services[1], refs, opts)
}

func (w *stormWorker) deleteBy(ctx context.Context, service *jettison.Service, refs []string, opts jettison.RemoveOptions) {
	reports, err := service.ImagesDelete(ctx, refs, opts)
	w.expect("delete", err)
	for _, r := range reports {
		w.expect("delete "+r.Reference, r.Err, jettison.ErrNotFound, jettison.ErrConflict, jettison.ErrInvalidArgument)
		w.report(r.Records, r.Containers...)
	}
}

// deleteAsPlanned is refused where another deletion came between.
func (w *stormWorker) deleteAsPlanned(ctx context.Context, refs []string, opts jettison.RemoveOptions) {
	plan, err := w.services[0].PlanDelete(ctx, refs, opts)
	w.expect("plan", err)
	if err != nil {
		return
	}
	records, err := w.services[0].Apply(ctx, plan)
	w.expect("apply", err, jettison.ErrConflict)
	w.report(records)
	for i := range plan.Removals {
		if err == nil {
			w.report(nil, plan.Removals[i].Containers()...)
		}
	}
}

// pruneSome prunes a few images, whatever they are called, with what dangles
// then.
func (w *stormWorker) pruneSome(ctx context.Context) {
	opts := jettison.PruneOptions{All: true, BatchSize: 1 + w.rnd.IntN(3), Filters: filter.Args{}}
	for range 1 + w.rnd.IntN(6) {
		opts.Filters[filter.ID] = append(opts.Filters[filter.ID], w.anyImage(w.rnd).String())
	}
	w.prune(ctx, w.rnd.IntN(2), opts)
}

// pruneMost prunes what dangles, or at times whatever a policy lets go. It
// mostly makes an image instead, so that some are left.
func (w *stormWorker) pruneMost(ctx context.Context) {
	opts := jettison.PruneOptions{BatchSize: 1 + w.rnd.IntN(20)}
	pick := w.rnd.IntN(16)
	if pick > 2 {
		w.create(ctx, w.anyImage(w.rnd))
		return
	}
	if pick == 0 {
		opts.All = true
		opts.Policy = jettison.Policy{KeepLast: w.rnd.IntN(8), MaxStorage: int64(w.rnd.IntN(10_000))}
	}
	w.prune(ctx, w.rnd.IntN(2), opts)
}

// prune reports whether a service prunes. Of two on one service one is refused
// (P1).
func (w *stormWorker) prune(ctx context.Context, service int, opts jettison.PruneOptions) bool {
	begun := false
	opts.Progress = func(at jettison.PruneProgress) {
		if !begun && w.pruning[service].Add(1) > 1 {
			w.t.Error("two prunes of one service are under way")
		}
		begun = true
		if at.Looked == at.Total {
			w.pruning[service].Add(-1)
		}
	}
	report, err := w.services[service].ImagesPrune(ctx, opts)
	w.expect("prune", err, jettison.ErrConflict)
	if report != nil {
		w.report(report.ImagesDeleted)
	}
	return err == nil
}

// pruneAsPlanned is refused where something came between, or another prune
// runs.
func (w *stormWorker) pruneAsPlanned(ctx context.Context) {
	service := w.services[w.rnd.IntN(2)]
	opts := jettison.PruneOptions{Filters: filter.Args{filter.ID: {w.anyImage(w.rnd).String()}}}
	plan, err := service.PlanPrune(ctx, opts)
	w.expect("plan of a prune", err)
	if err != nil {
		return
	}
	records, err := service.Apply(ctx, plan)
	w.expect("apply a prune", err, jettison.ErrConflict)
	w.report(records)
}

// take takes a lease on an image, which is there then.
func (w *stormWorker) take(ctx context.Context, id digest.Digest) *jettison.Lease {
	opts := jettison.LeaseOptions{Kind: conflict.LeaseBuild, Owner: fmt.Sprintf("%d-%d", w.number, w.turn)}
	lease, err := w.services[0].Lease(ctx, id.String(), opts)
	w.expect("lease", err, jettison.ErrNotFound)
	if err != nil {
		return nil
	}
	w.mustBeThere(ctx, "leased", id)
	return lease
}

// lease leases an image for a moment.
func (w *stormWorker) lease(ctx context.Context, id digest.Digest) {
	if lease := w.take(ctx, id); lease != nil {
		w.expect("release", lease.Release(ctx))
	}
}

// hold leases an image for some time, for at most two at once.
func (w *stormWorker) hold(ctx context.Context, id digest.Digest) {
	lease := w.take(ctx, id)
	if lease == nil {
		return
	}
	w.held = append(w.held, lease)
	w.note(lease, true)
	if len(w.held) > 2 {
		w.expect("release", w.held[0].Release(ctx))
		w.note(w.held[0], false)
		w.held = w.held[1:]
	}
}

// note takes down whether a lease is held.
func (w *stormWorker) note(lease *jettison.Lease, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !held {
		delete(w.leases, lease.Owner)
		return
	}
	w.leases[lease.Owner] = modelLease{image: lease.Image, kind: string(lease.Kind), owner: lease.Owner}
}

func (w *stormWorker) lookAtHeld(ctx context.Context) {
	if len(w.held) > 0 {
		w.mustBeThere(ctx, "leased", w.held[w.rnd.IntN(len(w.held))].Image)
	}
}

// run runs a container for a moment. Meanwhile its image does not go without it.
func (w *stormWorker) run(ctx context.Context, id digest.Digest) {
	c := jettison.Container{ID: fmt.Sprintf("c%dx%d", w.number, w.turn), Mounts: []digest.Digest{id}, Running: true}
	err := w.opened.AddContainer(ctx, c)
	w.expect("container", err, jettison.ErrNotFound)
	if err != nil {
		return
	}
	w.expect("the running image", w.opened.Backend.View(ctx, func(stores jettison.Stores) error {
		users, err := stores.Containers.Containers(ctx, id)
		if err != nil || len(users) == 0 {
			return err
		}
		_, err = stores.Images.Get(ctx, id)
		return err
	}))
	w.expect("remove container", w.opened.RemoveContainer(ctx, c.ID))
}

// use makes a container that stays until a deletion takes it with one of its images.
func (w *stormWorker) use(ctx context.Context, id digest.Digest) {
	c := jettison.Container{ID: fmt.Sprintf("u%dx%d", w.number, w.turn), Image: id, Running: w.rnd.IntN(2) == 0}
	if other := w.anyImage(w.rnd); w.rnd.IntN(3) == 0 {
		c.Mounts = []digest.Digest{other}
	}
	err := w.opened.AddContainer(ctx, c)
	w.expect("container", err, jettison.ErrNotFound)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.users[c.ID] = c
	}
}

func (w *stormWorker) mustBeThere(ctx context.Context, why string, id digest.Digest) {
	err := w.opened.Backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return err
	})
	w.expect("the "+why+" image", err)
}
