package compare_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jettison-oci/jettison/compare"
)

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// workers play the scenarios side by side.
const workers = 4

// TestRandom plays 20,000 scenarios on both sides, or 1,500 with -short. The
// environment can set how many with JETTISON_COMPARE_N, and the first seed,
// otherwise the time, with JETTISON_COMPARE_SEED. Rules R1 to R8, D1 to D13, P2
// to P7, P9, E1, E2.
func TestRandom(t *testing.T) {
	n := number(t, "JETTISON_COMPARE_N", scenarios())
	first := number(t, "JETTISON_COMPARE_SEED", uint64(time.Now().UnixNano()))
	t.Logf("%d scenarios, JETTISON_COMPARE_SEED=%d", n, first)
	var sides [workers]*compare.Comparison
	for i := range sides {
		engine := compare.NewJettison()
		engine.BatchSize = i
		sides[i] = newComparison(t, engine)
	}
	t.Run("scenarios", func(t *testing.T) {
		for i, c := range sides {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				for seed := first + uint64(i); seed < first+n; seed += workers {
					play(t, c, seed)
				}
			})
		}
	})
	if n >= 5000 && !t.Failed() { // with fewer, the rarest may not come up
		checkCoverage(t, sides[:])
	}
}

func scenarios() uint64 {
	if testing.Short() {
		return 1500
	}
	return 20000
}

// checkCoverage fails if a difference was never met: then the random test does
// not show that its rule is kept.
func checkCoverage(t *testing.T, sides []*compare.Comparison) {
	t.Helper()
	met := map[string]int{}
	for _, d := range append(compare.Differences(), compare.PruneDifferences()...) {
		met[d.ID] = 0
		for _, c := range sides {
			met[d.ID] += c.Met[d.ID]
		}
	}
	for _, id := range slices.Sorted(maps.Keys(met)) {
		t.Logf("%s: met in %d calls", id, met[id])
		if met[id] == 0 {
			t.Errorf("%s: no scenario met it", id)
		}
	}
}

func newComparison(t *testing.T, engine compare.Engine) *compare.Comparison {
	t.Helper()
	c := compare.NewComparison(engine)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// play plays the scenario of the seed and fails with the smallest that shows
// the same.
func play(t *testing.T, c *compare.Comparison, seed uint64) {
	t.Helper()
	mismatch, err := c.Run(t.Context(), compare.Generate(seed))
	if err == nil && mismatch != nil {
		mismatch, err = c.Shrink(t.Context(), mismatch)
	}
	if err != nil {
		t.Fatalf("JETTISON_COMPARE_SEED=%d: %v", seed, err)
	}
	if mismatch != nil {
		t.Fatalf("JETTISON_COMPARE_SEED=%d JETTISON_COMPARE_N=1: unlisted difference\n%s", seed, mismatch)
	}
}

// TestGenerate checks that a seed means one scenario.
func TestGenerate(t *testing.T) {
	a, b := compare.Generate(7), compare.Generate(7)
	if got, want := a.Scene.String(), b.Scene.String(); got != want {
		t.Errorf("seed 7 gives\n%sand then\n%s", got, want)
	}
	same := func(x, y compare.Call) bool { return x.String() == y.String() }
	if !slices.EqualFunc(a.Calls, b.Calls, same) {
		t.Errorf("seed 7 gives %v and then %v", a.Calls, b.Calls)
	}
}
