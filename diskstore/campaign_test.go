package diskstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/storecheck"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
)

// manyLosses is set to how many random losses are tried at each step at which
// a process stops. Two are enough for every day.
const manyLosses = "JETTISON_TEST_LOSSES"

// An operation is tried with a fault at each of its steps.
type operation struct {
	name string
	// prepare makes the directory in which the store is, and closes it.
	prepare func(t testing.TB, dir string)
	// before is done on the open store ahead of the first step that is tried.
	// It changes no records beyond marks of garbage.
	before func(t testing.TB, s *diskstore.Store)
	// opening tries the steps of Open too.
	opening bool
	// background leaves files to the background. What that does comes between
	// the steps of the actions, or after them, and not twice in the same order.
	background bool
	// actions are done one after another, each in its own transaction.
	actions []action
	// partly says that an error can come although the records have changed: the
	// files follow after them.
	partly bool
	// kept, if not nil, makes sure that nothing was lost for good.
	kept func(t testing.TB, dir string, changed bool)
	// steps is the least number of steps that there must be.
	steps int
}

// An action is what a caller asks of a store.
type action func(ctx context.Context, s *diskstore.Store) error

// A crash is what follows a Stop: what is lost of what is not durable, and when.
type crash struct {
	name string
	keep func(path string) bool
	// goesOn says that another process does the rest before the power fails.
	goesOn bool
	// next is the step at which the process that opens the store next stops too;
	// zero means that it does not.
	next int
	// undone says that bbolt's last commit has reached the disk, but for the page
	// that makes it valid.
	undone bool
}

func keepAll(string) bool  { return true }
func keepNone(string) bool { return false }

// crashes are what is tried at a step at which a process stops.
func crashes(seed uint64) []crash {
	all := []crash{
		{name: "the process dies", keep: keepAll},
		{name: "the power fails", keep: keepNone},
		{name: "the process dies, another one does the rest, and the power fails", keep: keepNone, goesOn: true},
	}
	n, err := strconv.Atoi(os.Getenv(manyLosses))
	if err != nil {
		n = 2
	}
	for i := range n {
		random := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // a test
		all = append(all, crash{
			name: fmt.Sprintf("the power fails, and some is kept (%d)", i),
			keep: func(string) bool { return random.IntN(2) == 0 },
			next: i % 2 * (1 + random.IntN(10)),
		})
	}
	return all
}

// options make the same changes write the same records.
func options() *diskstore.Options {
	return &diskstore.Options{Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
}

// options are those with which an operation opens its store.
func (op *operation) options() *diskstore.Options {
	opts := options()
	opts.BackgroundRemoval = op.background
	return opts
}

// inMemory puts temporary directories where a sync costs nothing, if the machine
// has such a place: nobody pulls its plug.
func inMemory(t *testing.T) {
	const dir = "/dev/shm"
	probe, err := os.MkdirTemp(dir, "") //nolint:usetesting // whether it works is the question
	if err != nil {
		return
	}
	must(t, os.Remove(probe))
	t.Setenv("TMPDIR", dir)
}

// Every operation, with every kind of fault at every step: the caller is told,
// the records are those of before or of after, and when the store is opened
// again its files are exactly those that the records name.
func TestFaultCampaign(t *testing.T) { // D14, E1, E3
	inMemory(t)
	points := 0
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			c := newCampaign(t, op)
			steps := c.run()
			points += c.points
			t.Logf("%d steps, %d points", steps, c.points)
			if steps < op.steps {
				t.Errorf("got %d steps, want at least %d", steps, op.steps)
			}
		})
	}
	t.Logf("%d points in all", points)
	if points < 1500 && !t.Failed() {
		t.Errorf("got %d points, want at least 1500", points)
	}
}

// A campaign tries one operation.
type campaign struct {
	*testing.T
	op     operation
	root   string
	fresh  string               // the prepared directory
	states []*storecheck.Report // before the first action and after each
	points int
}

func newCampaign(t *testing.T, op operation) *campaign {
	c := &campaign{T: t, op: op, root: t.TempDir()}
	c.fresh = filepath.Join(c.root, "fresh")
	must(t, os.Mkdir(c.fresh, 0o700))
	op.prepare(t, filepath.Join(c.fresh, "some", "store"))
	for n := range len(op.actions) + 1 {
		dir := c.copy("state")
		s, err := diskstore.Open(t.Context(), dir, op.options())
		must(t, err)
		if op.before != nil {
			op.before(t, s)
		}
		for _, act := range op.actions[:n] {
			must(t, act(t.Context(), s))
		}
		must(t, s.Close())
		c.states = append(c.states, c.look(dir))
	}
	return c
}

// copy returns a store as it was prepared.
func (c *campaign) copy(name string) string {
	parent := filepath.Join(c.root, name)
	must(c, os.RemoveAll(parent))
	copyDir(c, c.fresh, parent)
	return filepath.Join(parent, "some", "store")
}

// look returns what is in a store that nobody has open, and was opened since it
// crashed.
func (c *campaign) look(dir string) *storecheck.Report {
	c.Helper()
	report, err := storecheck.Store(c.Context(), dir)
	must(c, err)
	if len(report.Marks) > 0 {
		c.Errorf("got marks %v, want none", report.Marks)
	}
	return report
}

// run tries every step, until there is none left, and a crash after the end. It
// returns the number of steps.
func (c *campaign) run() int {
	for n := 1; ; n++ {
		var op faultfs.Op
		for _, crash := range crashes(uint64(n)) { //nolint:gosec // it counts up
			op = c.try(n, faultfs.Stop, crash)
		}
		if op == "" {
			return n - 1
		}
		c.try(n, faultfs.Fail, crash{keep: keepAll})
		c.try(n, faultfs.Late, crash{keep: keepAll})
		switch op {
		case faultfs.Write:
			c.try(n, faultfs.Short, crash{keep: keepAll})
		case faultfs.Commit:
			c.try(n, faultfs.StopAfter, crash{name: "the commit is whole", keep: keepNone})
			c.try(n, faultfs.StopAfter, crash{name: "the commit is not whole", keep: keepNone, undone: true})
		default:
		}
	}
}

// A trial is one fault at one step.
type trial struct {
	*campaign
	dir   string
	disk  *faultfs.Disk
	files *faultfs.FS
	kind  faultfs.Kind
	step  faultfs.Step // the one that has the fault
	armed atomic.Bool
	done  int // actions that were acknowledged
	err   error
}

// try tries the n-th step, and returns its kind, or nothing when there is none.
func (c *campaign) try(n int, kind faultfs.Kind, crash crash) faultfs.Op {
	grave := filepath.Join(c.root, "grave")
	must(c, os.RemoveAll(grave))
	must(c, os.Mkdir(grave, 0o700))
	tr := &trial{campaign: c, kind: kind, dir: c.copy("trial"), disk: faultfs.NewDisk(grave)}
	plan, _ := faultfs.At(n, faultfs.Fault{Kind: kind})
	tr.files = faultfs.New(tr.disk, func(s faultfs.Step) faultfs.Fault {
		if !tr.armed.Load() {
			return faultfs.Fault{}
		}
		fault := plan(s)
		if fault.Kind != faultfs.None {
			tr.step = s
		}
		return fault
	})
	tr.act()
	c.points++
	if crash.goesOn {
		tr.goOn()
	}
	taken, err := tr.disk.Fail(crash.keep)
	must(c, err)
	if crash.undone && tr.step.Op == faultfs.Commit { // with a background it may be another step than the last time
		tr.undo()
	}
	if crash.next > 0 {
		tr.crashAgain(crash)
	}
	tr.judge()
	if c.Failed() {
		c.Fatalf("step %d (%s %s), %s; %s, which takes %q", n, tr.step.Op, tr.step.Path, kind, crash.name, taken)
	}
	return tr.step.Op
}

// act opens the store, does the actions until one fails, and closes the store.
func (tr *trial) act() {
	tr.armed.Store(tr.op.opening)
	s, err := diskstore.OpenFaulty(tr.Context(), tr.dir, tr.op.options(), tr.files)
	if err != nil {
		tr.told(err)
		return
	}
	defer s.Close() //nolint:errcheck // it may have stopped
	if tr.op.before != nil {
		tr.op.before(tr, s)
	}
	tr.armed.Store(true)
	for _, act := range tr.op.actions {
		if err := act(tr.Context(), s); err != nil {
			tr.told(err)
			tr.again(s, act)
			return
		}
		tr.done++
	}
}

// crashAgain lets the process that opens the store next stop in the midst of it.
func (tr *trial) crashAgain(crash crash) {
	plan, _ := faultfs.At(crash.next, faultfs.Fault{Kind: faultfs.Stop})
	files := faultfs.New(tr.disk, plan)
	s, err := diskstore.OpenFaulty(tr.Context(), tr.dir, tr.op.options(), files)
	if err == nil {
		err = s.Close()
	}
	if !files.Stopped() {
		must(tr, err)
	}
	_, err = tr.disk.Fail(crash.keep)
	must(tr, err)
}

// undo spoils the newer of the two pages with which bbolt makes a commit valid,
// as a machine does that stops while it writes one. From then on the commit must
// not show.
func (tr *trial) undo() {
	path := filepath.Join(tr.dir, "meta.db")
	file, err := os.ReadFile(path)
	must(tr, err)
	const txID = 16 + 48 // behind the header of a page, beside the checksum
	size := os.Getpagesize()
	newer := 0
	if binary.NativeEndian.Uint64(file[size+txID:]) > binary.NativeEndian.Uint64(file[txID:]) {
		newer = size
	}
	clear(file[newer+txID : newer+size])
	must(tr, os.WriteFile(path, file, 0o600))
	tr.kind = faultfs.Stop
}

// told makes sure that an error says what happened.
func (tr *trial) told(err error) {
	tr.err = err
	want := error(syscall.ENOSPC)
	if tr.files.Stopped() {
		want = faultfs.ErrStopped
	}
	if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, want) || !strings.Contains(err.Error(), filepath.Join(tr.root, "trial")) {
		tr.Errorf("got error %v, want one of class Unavailable that wraps %v and names the path", err, want)
	}
}

// again makes sure that a process which got an error can go on with the store.
func (tr *trial) again(s *diskstore.Store, act action) {
	if tr.files.Stopped() {
		return
	}
	report, err := storecheck.Records(tr.Context(), s.DB())
	must(tr, err)
	tr.oneOf(report)
	err = act(tr.Context(), s)
	if tr.kind == faultfs.Late && errors.Is(err, jettison.ErrNotFound) {
		err = nil // it was deleted all the same
	}
	if err != nil {
		tr.Errorf("again: got error %v, want none", err)
	}
	tr.done, tr.err = tr.done+1, nil
}

// goOn does in another process what was not done.
func (tr *trial) goOn() {
	s, err := diskstore.OpenFaulty(tr.Context(), tr.dir, tr.op.options(), faultfs.New(tr.disk, func(faultfs.Step) faultfs.Fault {
		return faultfs.Fault{}
	}))
	must(tr, err)
	defer s.Close() //nolint:errcheck // it is closed again
	for _, act := range tr.op.actions[tr.done:] {
		must(tr, act(tr.Context(), s))
		tr.done++
	}
	must(tr, s.Close())
}

// judge opens the store again and looks what is there.
func (tr *trial) judge() {
	s, err := diskstore.Open(tr.Context(), tr.dir, tr.op.options())
	if err != nil {
		tr.Errorf("the store does not open again: %v", err)
		return
	}
	must(tr, s.Close())
	report := tr.look(tr.dir)
	for _, problem := range report.Problems {
		if !slices.Contains(tr.states[0].Problems, problem) {
			tr.Error(problem)
		}
	}
	tr.oneOf(report)
	if tr.op.kept != nil {
		tr.op.kept(tr, tr.dir, !cmp.Equal(report.Records, tr.states[0].Records))
	}
}

// oneOf makes sure that the records are those after all that was acknowledged.
// When an error came after the step, they may be those after one action more.
func (tr *trial) oneOf(report *storecheck.Report) {
	late := tr.err != nil && (tr.op.partly || tr.kind == faultfs.Late || tr.kind == faultfs.StopAfter)
	if late && tr.done+1 < len(tr.states) && cmp.Equal(report.Records, tr.states[tr.done+1].Records) {
		return
	}
	if diff := cmp.Diff(report.Records, tr.states[tr.done].Records); diff != "" {
		tr.Errorf("records after %d actions and error %v (-got +want):\n%s", tr.done, tr.err, diff)
	}
}
