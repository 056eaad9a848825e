package diskstore_test

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
)

const (
	// killedChild is set for the process that is killed: the seed, the next
	// piece of work of each worker, and the directory of the store.
	killedChild = "JETTISON_TEST_KILLED"
	// manyKills is set to the number of kills, and seedOfKills to the seed of
	// another run. Fifty kills are enough for every day.
	manyKills   = "JETTISON_TEST_KILLS"
	seedOfKills = "JETTISON_TEST_SEED"
	workers     = 3
)

// A process works on a store and is killed at any moment, again and again. What
// it said it had done is there, what it was doing is there or not, and all
// fits together.
//
// The work is the same for the same seed: the parent does it again on a store in
// memory, which knows no files, and compares every record.
func TestKilled(t *testing.T) { // D12, D14
	if task := os.Getenv(killedChild); task != "" {
		work(t, task)
		return
	}
	inMemory(t)
	kills, seed := 50, uint64(time.Now().UnixNano()) //nolint:gosec // any number does
	if testing.Short() {
		kills = 10
	}
	if n, err := strconv.Atoi(os.Getenv(manyKills)); err == nil {
		kills = n
	}
	if n, err := strconv.ParseUint(os.Getenv(seedOfKills), 10, 64); err == nil {
		seed = n
	}
	t.Logf("%s=%d", seedOfKills, seed)
	v := newVictim(t, seed)
	for v.kills < kills && !t.Failed() {
		v.killOne()
		v.judge()
	}
	t.Logf("%d kills after %d pieces of work: %d pieces were done but not acknowledged, %d kills left files or marks for the next Open",
		v.kills, v.pieces(), v.ahead, v.leftovers)
	if kills >= 10 && (v.pieces() < 5*kills || v.leftovers < kills/10) {
		t.Error("the kills came at no interesting moments")
	}
}

// A victim is the store of the processes that are killed.
type victim struct {
	*testing.T
	seed   uint64
	random *rand.Rand
	dir    string
	models [workers]*model

	kills     int
	ahead     int // pieces of work that were done but not acknowledged
	leftovers int // kills after which there was something to clean up
}

// A model is what one worker has done to the store.
type model struct {
	db    kv.DB
	store target
	next  int // piece of work
}

func newVictim(t *testing.T, seed uint64) *victim {
	v := &victim{T: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(t.TempDir(), "store")} //nolint:gosec // a test
	for i := range v.models {
		v.models[i] = newModel(t, memkv.New())
	}
	return v
}

// pieces is how many pieces of work have been done in all.
func (v *victim) pieces() (n int) {
	for _, m := range v.models {
		n += m.next
	}
	return n
}

// killOne starts a process, kills it after some pieces of work, and does on the
// models what it has acknowledged.
func (v *victim) killOne() {
	task := fmt.Sprint(v.seed)
	for _, m := range v.models {
		task += fmt.Sprint(" ", m.next)
	}
	child := exec.CommandContext(v.Context(), os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), killedChild+"="+task+" "+v.dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(v, err)
	must(v, child.Start())
	lines := bufio.NewScanner(out)
	patience := max(v.random.IntN(40)-5, 0) // at zero it is about to open the store
	delay := time.Duration(v.random.IntN(int(2 * time.Millisecond)))
	for seen := 0; lines.Scan(); seen++ {
		v.acknowledge(lines.Text())
		if seen == patience {
			time.AfterFunc(delay, func() { _ = child.Process.Kill() }) // it may have ended: then the test fails below
		}
	}
	_ = child.Wait() // it was killed
	if child.ProcessState.Success() || child.ProcessState.Exited() {
		v.Errorf("the process ended by itself: %v", child.ProcessState)
	}
	v.kills++
}

// acknowledge does on a model what the process says it has done.
func (v *victim) acknowledge(line string) {
	var worker, piece int
	if line == "open" {
		return
	}
	if _, err := fmt.Sscanf(line, "done %d %d", &worker, &piece); err != nil {
		v.Errorf("the process said %q", line)
		return
	}
	m := v.models[worker]
	if piece != m.next {
		v.Errorf("worker %d did piece %d, want %d", worker, piece, m.next)
	}
	v.advance(worker)
}

func (v *victim) advance(worker int) {
	m := v.models[worker]
	must(v, do(v.Context(), m.store, v.seed, worker, m.next))
	m.next++
}

// judge opens the store as the next process will, and compares it.
func (v *victim) judge() {
	if v.unclean() {
		v.leftovers++
	}
	s, err := diskstore.Open(v.Context(), v.dir, options())
	must(v, err)
	must(v, s.Close())
	report, err := storecheck.Store(v.Context(), v.dir)
	must(v, err)
	for _, problem := range report.Problems {
		v.Error(problem)
	}
	if len(report.Marks) > 0 {
		v.Errorf("got marks %v, want none", report.Marks)
	}
	want := make(map[string]string)
	for worker := range v.models {
		maps.Copy(want, v.catchUp(worker, report.Records))
	}
	if diff := cmp.Diff(report.Records, want); diff != "" {
		v.Errorf("records (-got +want):\n%s", diff)
	}
}

// unclean says whether a kill has left files or marks. It may have come before
// there was a store.
func (v *victim) unclean() bool {
	report, err := storecheck.Store(v.Context(), v.dir)
	return err == nil && len(report.Problems)+len(report.Marks) > 0
}

// catchUp returns the records that a worker has, which may have done one piece
// more than it said.
func (v *victim) catchUp(worker int, got map[string]string) map[string]string {
	records := func() map[string]string {
		report, err := storecheck.Records(v.Context(), v.models[worker].db)
		must(v, err)
		return report.Records
	}
	own := func(records map[string]string) bool {
		for key, value := range records {
			if got[key] != value {
				return false
			}
		}
		return true
	}
	before := records()
	saved := v.models[worker].clone(v.T)
	v.advance(worker)
	after := records()
	gone := slices.Collect(maps.Keys(before))
	gone = slices.DeleteFunc(gone, func(key string) bool { _, stays := after[key]; return stays })
	stays := slices.ContainsFunc(gone, func(key string) bool { _, found := got[key]; return found })
	if !cmp.Equal(before, after) && own(after) && !stays {
		v.ahead++
		return after
	}
	v.models[worker] = saved
	return before
}

func newModel(t testing.TB, db kv.DB) *model {
	t.Helper()
	store, err := kvstore.New(t.Context(), db, &kvstore.Options{Now: options().Now})
	must(t, err)
	return &model{db: db, store: inMemoryStore{store}}
}

// clone returns a model that is in the same state and can go on by itself.
func (m *model) clone(t testing.TB) *model {
	t.Helper()
	db := memkv.New()
	must(t, m.db.View(t.Context(), func(r kv.Reader) error {
		return db.Update(t.Context(), func(tx kv.Tx) error {
			for entry, err := range r.Scan(t.Context(), nil) {
				if err != nil {
					return err
				}
				if err := tx.Put(t.Context(), entry.Key, entry.Value); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	other := newModel(t, db)
	other.next = m.next
	return other
}

// work is what the process does until it is killed. It says what is durable.
func work(t *testing.T, task string) {
	var seed uint64
	var next [workers]int
	var dir string
	_, err := fmt.Sscan(task, &seed, &next[0], &next[1], &next[2], &dir)
	must(t, err)
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintln(os.Stdout, words...)
		must(t, err)
	}
	say("open")
	s, err := diskstore.Open(t.Context(), dir, options())
	must(t, err)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for n := next[worker]; t.Context().Err() == nil; n++ {
				if err := do(t.Context(), onDiskStore{s}, seed, worker, n); err != nil {
					say("failed", err)
					return
				}
				say("done", worker, n)
			}
		})
	}
	wg.Wait()
}
