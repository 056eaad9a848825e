package jettison_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/storetest"
)

// Sixteen goroutines create, delete, prune, tag, lease and use images of one
// store, by two services, in rounds, some deletions with the containers that use
// the image; between them the store is looked at as a whole, and opened anew.
// Whatever comes of it, each removal is reported exactly once, no leased image goes
// and none before its running containers, no reference is left to an image that
// went, all is counted right, files are those of the records, and a service runs one
// prune at a time (D12, D15, D17, P1).
//
// JETTISON_SOAK says how long this takes on each backend, such as 1m; else it is
// two rounds. JETTISON_SEED repeats the choices of the goroutines, but not the
// order in which they come.
func TestConcurrent(t *testing.T) {
	for _, b := range backends.Alike() {
		t.Run(b.Name, func(t *testing.T) {
			works := 60
			if b.Durable {
				works = 12
			}
			s := newStorm(t, b)
			end := time.Now().Add(soak(t))
			for round := 0; !t.Failed() && (round < 2 || time.Now().Before(end)); round++ {
				s.everyone(works)
				s.check()
				s.opened.Reopen(t)
			}
			t.Logf("%d images were created and %d removals reported, %d images are left", s.created, len(s.records), len(s.ids))
		})
	}
}

// soak is how long a test that can take any time is to go on.
func soak(t *testing.T) time.Duration {
	text := os.Getenv("JETTISON_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("JETTISON_SOAK: %v", err)
	}
	return d
}

// seed is what a test draws its random choices from.
func seed(t *testing.T) uint64 {
	n := rand.Uint64() //nolint:gosec // a test
	if text := os.Getenv("JETTISON_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("JETTISON_SEED: %v", err)
		}
	}
	t.Logf("JETTISON_SEED=%d", n)
	return n
}

// storm is many goroutines at work on one store. No image and no name is made
// twice, so that the removal of each can be reported once only.
type storm struct {
	t        *testing.T
	opened   *backends.Opened
	services [2]*jettison.Service // over the same store
	pruning  [2]atomic.Int32      // how many prunes of each are under way
	workers  []*stormWorker

	mu      sync.Mutex
	images  map[digest.Digest]storetest.Image
	ids     []digest.Digest // of the images, each parent before its children
	names   map[string]digest.Digest
	given   []string                      // the names
	records map[string]int                // how often each was reported, ever
	leases  map[string]modelLease         // that are held, by owner
	users   map[string]jettison.Container // that only a deletion of their images removes
	created int
}

func newStorm(t *testing.T, b backends.Backend) *storm {
	s := &storm{
		t: t, images: make(map[digest.Digest]storetest.Image), names: make(map[string]digest.Digest),
		records: make(map[string]int), leases: make(map[string]modelLease),
		users: make(map[string]jettison.Container),
	}
	var images []storetest.Image
	for i := range 64 {
		spec := stormSpec(fmt.Sprint(i), i)
		if i%4 == 3 {
			spec.Parent = images[i-1].ID()
		}
		images = append(images, spec.Image())
		s.made(images[i])
	}
	s.opened = b.Open(t, storetest.State{Images: images})
	for i := range s.services {
		s.services[i] = jettison.New(s.opened.Backend, nil)
	}
	seed := seed(t)
	for i := range 16 {
		s.workers = append(s.workers, &stormWorker{storm: s, number: i, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}) //nolint:gosec // a test
	}
	return s
}

// stormSpec is an image of one of ten groups, with layers that it shares and
// one of its own. Two groups share the content of a layer that lies on different
// bases.
func stormSpec(name string, group int) storetest.Spec {
	layers := []string{"os", fmt.Sprintf("group %d", group%5), "own " + name}
	return storetest.Spec{Name: name, Layers: layers[group%10/5:]}
}

// everyone works so many times.
func (s *storm) everyone(times int) {
	var wg sync.WaitGroup
	for _, w := range s.workers {
		wg.Go(func() {
			for range times {
				w.work(s.t.Context())
			}
		})
	}
	wg.Wait()
}

// made notes that an image was created.
func (s *storm) made(img storetest.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created++
	s.images[img.ID()] = img
	s.ids = append(s.ids, img.ID())
}

// report notes what a deletion has reported.
func (s *storm) report(records []jettison.DeleteResponse, users ...jettison.Container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		s.records[r.String()]++
	}
	for _, c := range users {
		s.records["Removed: "+c.ID]++
	}
}

// anyImage is an image that is there, more likely than not.
func (s *storm) anyImage(rnd *rand.Rand) (id digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 4 {
		if id = s.ids[rnd.IntN(len(s.ids))]; s.records["Deleted: "+id.String()] == 0 {
			break
		}
	}
	return id
}

// anyName is a name that is there, more likely than not.
func (s *storm) anyName(rnd *rand.Rand) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.given) == 0 {
		return "no name was given yet"
	}
	for range 4 {
		if name = s.given[rnd.IntN(len(s.given))]; s.records["Untagged: "+name] == 0 {
			break
		}
	}
	return name
}

// Prunes of all images, one after another and at once, beside deletions, tags
// and leases. One service refuses the second of two with a Conflict (P1); no
// image goes that was leased all the while (D15), and every removal is reported
// once.
func TestConcurrentPrunes(t *testing.T) {
	for _, b := range backends.Alike() {
		t.Run(b.Name, func(t *testing.T) {
			s := newStorm(t, b)
			for i, id := range s.ids {
				s.workers[0].tag(t.Context(), fmt.Sprintf("app:%d", i), id)
			}
			leased := s.ids[len(s.ids)/2]
			_, err := s.services[0].Lease(t.Context(), leased.String(), jettison.LeaseOptions{Kind: conflict.LeasePull, Owner: "all the while"})
			if err != nil {
				t.Fatal(err)
			}
			s.leases["all the while"] = modelLease{image: leased, kind: "pull", owner: "all the while"}
			var refused, done atomic.Int32
			var wg sync.WaitGroup
			for _, w := range s.workers[:6] {
				wg.Go(func() {
					for range 4 {
						w.delete(t.Context(), w.anyName(w.rnd), jettison.RemoveOptions{PruneChildren: true})
						if w.prune(t.Context(), 0, jettison.PruneOptions{All: true, BatchSize: 5}) {
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
