package diskstore_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
)

// modes runs fn on a store that removes content at once, and on one that does
// so in the background.
func modes(t *testing.T, fn func(*testing.T, *diskstore.Store)) {
	for name, background := range map[string]bool{"at once": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			s, err := diskstore.Open(t.Context(), t.TempDir(), &diskstore.Options{BackgroundRemoval: background})
			must(t, err)
			fn(t, s)
			must(t, s.Close())
		})
	}
}

// Goroutines load and delete a few images that share layers, and read them.
func TestLoadsAndDeletionsAtOnce(t *testing.T) { // D12, D15
	modes(t, loadsAndDeletionsAtOnce)
}

func loadsAndDeletionsAtOnce(t *testing.T, s *diskstore.Store) {
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker))) //nolint:gosec // a test
			for range 12 {
				act(t, s, random)
			}
		})
	}
	wg.Wait()
	must(t, s.Flush(t.Context()))
	sound(t, s)
	must(t, s.Close())
	s = open(t, s.Dir())
	sound(t, s)
	for _, name := range tags(t, s) {
		must(t, remove(t.Context(), s, name))
	}
	if left := onDisk(t, s.Dir()); len(left) > 0 {
		t.Errorf("got files %v after all images are deleted, want none", left)
	}
}

// act does one thing at random.
func act(t *testing.T, s *diskstore.Store, random *rand.Rand) {
	name := fmt.Sprintf("image%d", random.IntN(3))
	layers := []string{"base", "middle " + name, "top " + name}
	switch random.IntN(6) {
	case 0, 1:
		if _, err := load(t.Context(), s, name, layers...); err != nil {
			t.Error("load:", err)
		}
	case 2, 3:
		if err := remove(t.Context(), s, name); err != nil && !errors.Is(err, jettison.ErrNotFound) {
			t.Error("delete:", err)
		}
	case 4:
		abort(t, s, layers)
	case 5:
		readAll(t, s, layers[random.IntN(len(layers))])
	}
}

// abort begins a load that is given up.
func abort(t *testing.T, s *diskstore.Store, layers []string) {
	in, err := s.Ingest(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer in.Close() //nolint:errcheck // never fails
	for _, layer := range layers {
		if _, err := in.Write(t.Context(), strings.NewReader(layer), describe(layer)); err != nil {
			t.Error("write:", err)
		}
	}
	if err := in.Commit(t.Context(), nothing); err != nil {
		t.Error("commit:", err)
	}
}

// readAll reads a layer if it is there.
func readAll(t *testing.T, s *diskstore.Store, layer string) {
	r, err := s.Blob(t.Context(), describe(layer).Digest)
	if errors.Is(err, jettison.ErrNotFound) {
		return
	}
	if err != nil {
		t.Error("open:", err)
		return
	}
	defer r.Close() //nolint:errcheck // only read
	if got, err := io.ReadAll(r); err != nil || string(got) != layer {
		t.Errorf("got %q (error %v), want %q", got, err, layer)
	}
}

// One image comes and goes: of two deletions exactly one succeeds, and whoever
// loads it meanwhile has it whole.
func TestOneImageComesAndGoes(t *testing.T) { // D15
	modes(t, oneImageComesAndGoes)
}

func oneImageComesAndGoes(t *testing.T, s *diskstore.Store) {
	for range 10 {
		_, err := load(t.Context(), s, "app", "layer")
		must(t, err)
		var mu sync.Mutex
		deleted, loaded := 0, 0
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				var err error
				if worker%4 == 0 {
					_, err = load(t.Context(), s, "app", "layer")
				} else {
					err = remove(t.Context(), s, "app")
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && worker%4 == 0:
					loaded++
				case err == nil:
					deleted++
				case !errors.Is(err, jettison.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if loaded != 4 || deleted < 1 || deleted > 5 {
			t.Errorf("got %d loads and %d deletions, want 4 and 1 to 5", loaded, deleted)
		}
		must(t, s.Flush(t.Context()))
		sound(t, s)
	}
}

// A check beside loads and deletions finds nothing.
func TestCheckAtOnce(t *testing.T) { // C1
	modes(t, func(t *testing.T, s *diskstore.Store) {
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(3, uint64(worker))) //nolint:gosec // a test
				for range 20 {
					act(t, s, random)
				}
			})
		}
		for range 20 {
			found, err := s.Check(t.Context(), diskstore.CheckOptions{Content: true})
			if err != nil || len(found) > 0 {
				t.Errorf("got findings %v, error %v, want none", found, err)
			}
		}
		wg.Wait()
	})
}
