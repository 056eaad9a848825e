package jettison_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

// Sixteen goroutines delete, prune, tag, lease and use images of one store, by
// two services. Whatever comes of it, each removal is reported exactly once, no
// leased or running image goes, no reference is left to an image that went, and
// layers are counted right at the end (D12, D15, P1).
func TestConcurrent(t *testing.T) {
	for _, b := range backends.Alike() {
		t.Run(b.Name, func(t *testing.T) {
			rounds := 60
			if b.Durable {
				rounds = 8
			}
			s := newStorm(t, b)
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					w := stormWorker{storm: s, number: i, rnd: rand.New(rand.NewPCG(1, uint64(i)))}
					for range rounds {
						w.work(t.Context())
					}
				})
			}
			wg.Wait()
			s.check()
		})
	}
}

// storm is many goroutines at work on one store. No image and no name is made
// twice, so that the removal of each can be reported once only.
type storm struct {
	t       *testing.T
	opened  *backends.Opened
	service *jettison.Service
	another *jettison.Service // over the same store
	images  []storetest.Image

	mu      sync.Mutex
	names   map[string]digest.Digest // that were given
	records map[string]int           // how often each was reported
	leases  map[string]modelLease    // that were kept
}

func newStorm(t *testing.T, b backends.Backend) *storm {
	s := &storm{t: t, names: make(map[string]digest.Digest), records: make(map[string]int), leases: make(map[string]modelLease)}
	for i := range 64 {
		spec := storetest.Spec{Name: fmt.Sprint(i), Layers: []string{"os", fmt.Sprintf("group %d", i%5), fmt.Sprintf("own %d", i)}}
		if i%4 == 3 {
			spec.Parent = s.images[i-1].ID()
		}
		s.images = append(s.images, spec.Image())
	}
	s.opened = b.Open(t, storetest.State{Images: s.images})
	s.service, s.another = jettison.New(s.opened.Backend, nil), jettison.New(s.opened.Backend, nil)
	return s
}

// stormWorker is one of the goroutines.
type stormWorker struct {
	*storm
	number int
	round  int
	rnd    *rand.Rand
}

// work does one random thing, which may be refused but not fail.
func (w *stormWorker) work(ctx context.Context) {
	w.round++
	img := w.images[w.rnd.IntN(len(w.images))].ID()
	opts := jettison.RemoveOptions{Force: w.rnd.IntN(2) == 0, PruneChildren: w.rnd.IntN(2) == 0}
	switch w.rnd.IntN(8) {
	case 0:
		w.delete(ctx, img.String(), opts)
	case 1, 2:
		w.delete(ctx, w.anyName(), opts)
	case 3, 4:
		w.tag(ctx, fmt.Sprintf("app%d:%d-%d", w.rnd.IntN(3), w.number, w.round), img)
	case 5:
		w.lease(ctx, img)
	case 6:
		w.prune(ctx, img)
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

func (w *stormWorker) anyName() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.names {
		return name
	}
	return "no name was given yet"
}

func (w *stormWorker) delete(ctx context.Context, ref string, opts jettison.RemoveOptions) {
	records, err := w.service.ImageDelete(ctx, ref, opts)
	w.expect("delete "+ref, err, jettison.ErrNotFound, jettison.ErrConflict, jettison.ErrInvalidArgument)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		w.records[r.String()]++
	}
}

// prune prunes a few images, whatever they are called, with what dangles then. Of
// two on one service one may be refused.
func (w *stormWorker) prune(ctx context.Context, id digest.Digest) {
	service := w.service
	if w.rnd.IntN(2) == 0 {
		service = w.another
	}
	opts := jettison.PruneOptions{All: true, BatchSize: 1 + w.rnd.IntN(3), Filters: filter.Args{filter.ID: {id.String()}}}
	for range w.rnd.IntN(6) {
		other := w.images[w.rnd.IntN(len(w.images))].ID()
		opts.Filters[filter.ID] = append(opts.Filters[filter.ID], other.String())
	}
	report, err := service.ImagesPrune(ctx, opts)
	w.expect("prune", err, jettison.ErrConflict)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range report.ImagesDeleted {
		w.records[r.String()]++
	}
}

func (w *stormWorker) tag(ctx context.Context, name string, id digest.Digest) {
	err := w.opened.Tag(ctx, name, id, refstore.AddOptions{})
	w.expect("tag "+name, err, jettison.ErrNotFound)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.names[name] = id
	}
}

// lease takes a lease, makes sure that the image stays, and mostly releases it.
func (w *stormWorker) lease(ctx context.Context, id digest.Digest) {
	owner := fmt.Sprintf("%d-%d", w.number, w.round)
	lease, err := w.service.Lease(ctx, id.String(), jettison.LeaseOptions{Kind: conflict.LeaseBuild, Owner: owner})
	w.expect("lease", err, jettison.ErrNotFound)
	if err != nil {
		return
	}
	w.mustBeThere(ctx, "leased", id)
	if w.rnd.IntN(10) > 0 {
		w.expect("release", lease.Release(ctx))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leases[owner] = modelLease{image: id, kind: "build", owner: owner}
}

// run runs a container for a moment.
func (w *stormWorker) run(ctx context.Context, id digest.Digest) {
	c := jettison.Container{ID: fmt.Sprintf("c%dx%d", w.number, w.round), Mounts: []digest.Digest{id}, Running: true}
	err := w.opened.AddContainer(ctx, c)
	w.expect("container", err, jettison.ErrNotFound)
	if err != nil {
		return
	}
	w.mustBeThere(ctx, "running", id)
	w.expect("remove container", w.opened.RemoveContainer(ctx, c.ID))
}

func (w *stormWorker) mustBeThere(ctx context.Context, why string, id digest.Digest) {
	err := w.opened.Backend.View(ctx, func(stores jettison.Stores) error {
		_, err := stores.Images.Get(ctx, id)
		return err
	})
	w.expect("the "+why+" image", err)
}

// check compares the store with a model that holds what was not reported as
// removed.
func (s *storm) check() {
	for record, times := range s.records {
		if times != 1 {
			s.t.Errorf("%s was reported %d times", record, times)
		}
	}
	m := newModel()
	m.leases = s.leases
	for _, img := range s.images {
		if s.records["Deleted: "+img.ID().String()] == 0 {
			if m.images[img.Parent] == nil {
				img.Parent = ""
			}
			m.create(img)
		}
	}
	for name, id := range s.names {
		ref, err := asName(name)
		if err != nil {
			s.t.Fatal(err)
		}
		if s.records["Untagged: "+name] > 0 {
			continue
		}
		m.refs[ref.String()] = modelRef{ref, id}
		if m.images[id] == nil {
			s.t.Errorf("%s is left, its image %s is not", name, id)
		}
	}
	if diff := cmp.Diff(m.dump(), s.opened.Dump(s.t)); diff != "" {
		s.t.Errorf("state (-what was not removed +got):\n%s", diff)
	}
	s.checkLayers(m)
	s.t.Logf("%d of %d images left, %d removals, %d names given", len(m.images), len(s.images), len(s.records), len(s.names))
}

// checkLayers makes sure that a layer was reported exactly if it went.
func (s *storm) checkLayers(m *model) {
	left := m.layerSet()
	for _, img := range s.images {
		_, layers, err := img.Record()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, layer := range layers {
			_, there := left[layer.ChainID]
			if reported := s.records["Deleted: "+layer.ChainID.String()]; there == (reported == 1) {
				s.t.Errorf("layer %s: there: %t, reported as deleted %d times", layer.ChainID, there, reported)
			}
		}
	}
}

// Prunes of all images, one after another and at once, beside deletions, tags
// and leases. One service refuses the second of two with a Conflict (P1); no
// image goes that was leased all the while (D15), and every removal is reported
// once.
func TestConcurrentPrunes(t *testing.T) {
	for _, b := range backends.Alike() {
		t.Run(b.Name, func(t *testing.T) {
			s := newStorm(t, b)
			for i, img := range s.images {
				w := stormWorker{storm: s, number: i}
				w.tag(t.Context(), fmt.Sprintf("app:%d", i), img.ID())
			}
			leased := s.images[len(s.images)/2].ID()
			if _, err := s.service.Lease(t.Context(), leased.String(), jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "all the while"}); err != nil {
				t.Fatal(err)
			}
			s.leases["all the while"] = modelLease{image: leased, kind: "pull", owner: "all the while"}
			var refused, done atomic.Int32
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					w := stormWorker{storm: s, number: 100 + i, rnd: rand.New(rand.NewPCG(2, uint64(i)))}
					for range 4 {
						w.delete(t.Context(), w.anyName(), jettison.RemoveOptions{PruneChildren: true})
						if w.pruneAll(t.Context()) {
							done.Add(1)
						} else {
							refused.Add(1)
						}
					}
				})
			}
			wg.Wait()
			s.check()
			t.Logf("%d prunes done, %d refused", done.Load(), refused.Load())
			if done.Load() == 0 {
				t.Error("no prune was done")
			}
		})
	}
}

// pruneAll reports whether the prune was not refused.
func (w *stormWorker) pruneAll(ctx context.Context) bool {
	report, err := w.service.ImagesPrune(ctx, jettison.PruneOptions{All: true, BatchSize: 5})
	w.expect("prune", err, jettison.ErrConflict)
	if err != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range report.ImagesDeleted {
		w.records[r.String()]++
	}
	return true
}
