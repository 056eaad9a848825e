package storetest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// A Failure is a case that a store did not pass.
type Failure struct {
	// Case is its name: "images/get".
	Case string
	// Rule is the rule of the deletion semantics it stands for, such as "D12",
	// or empty.
	Rule string
	// Explanation says what was promised.
	Explanation string
	// Err says what happened instead.
	Err error
}

// String is the failure in words.
func (f Failure) String() string {
	rule := ""
	if f.Rule != "" {
		rule = " (rule " + f.Rule + ")"
	}
	return fmt.Sprintf("%s\npromised%s: %s", f.Err, rule, f.Explanation)
}

// Run runs every case that the store is able to pass as a subtest, each on a
// fresh store. The cases run one after another.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if missing := c.needs &^ cfg.abilities(); missing != 0 {
				t.Skipf("the store is not able to: %s", missing)
			}
			if err := c.run(t, cfg); err != nil {
				t.Error(c.failure(err))
			}
		})
	}
}

// Check runs the cases of [Run] and returns those that failed, in the order of
// the cases, instead of reporting them. It fails t only if a store cannot be
// opened.
func Check(t testing.TB, cfg Config) []Failure {
	t.Helper()
	var failed []Failure
	for _, c := range cases() {
		if c.needs&^cfg.abilities() != 0 {
			continue
		}
		if err := c.run(t, cfg); err != nil {
			failed = append(failed, c.failure(err))
		}
	}
	return failed
}

// cases returns all cases in the order in which they run.
func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		imageCases(), layerCases(), damageCases(), referenceCases(), useCases(), removerCases(),
		referrerCases(), platformCases(), namedCases(), collectorCases(), shortNameCases(), digestCases(),
		backendCases(), contextCases(), serviceCases(), concurrentCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// A testCase is one promise.
type testCase struct {
	name        string
	rule        string
	explanation string
	// needs is what the store must be able to do.
	needs ability
	// state is what the store holds.
	state func() State
	f     func(context.Context, *probe) error
}

func (c testCase) failure(err error) Failure {
	return Failure{Case: c.name, Rule: c.rule, Explanation: c.explanation, Err: err}
}

// run runs the case on a fresh store. A panic is an error like any other.
func (c testCase) run(t testing.TB, cfg Config) (err error) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	var st State
	if c.state != nil {
		st = c.state()
	}
	if !cfg.Parents {
		st.Images = orphans(st.Images)
	}
	switch {
	case !cfg.Containers:
		st.Containers = nil
	case !cfg.Mounts:
		st.Containers = unmounted(st.Containers)
	}
	if !cfg.Leases {
		st.Leases = nil
	}
	return c.f(t.Context(), &probe{t: t, cfg: cfg, backend: cfg.Open(t, st), state: st})
}

// orphans are the images without their parents.
func orphans(images []Image) []Image {
	alone := slices.Clone(images)
	for i := range alone {
		alone[i].Parent = ""
	}
	return alone
}

// unmounted are the containers without the images that they mount.
func unmounted(containers []jettison.Container) []jettison.Container {
	alone := slices.Clone(containers)
	for i := range alone {
		alone[i].Mounts = nil
	}
	return alone
}

// A probe is what a case works with.
type probe struct {
	t       testing.TB
	cfg     Config
	backend jettison.Backend
	state   State
}

// own is the content that the store keeps for the image besides its layers.
func (p *probe) own(img Image) [][]byte {
	if p.cfg.Manifest == nil {
		return [][]byte{img.Config}
	}
	return [][]byte{img.Config, p.cfg.Manifest(img)}
}

// childrenOf are the IDs of the images that were made with this parent.
func (p *probe) childrenOf(id digest.Digest) []digest.Digest {
	var found []digest.Digest
	for _, img := range p.state.Images {
		if img.Parent == id {
			found = append(found, img.ID())
		}
	}
	slices.Sort(found)
	return found
}

// service is an engine over the store.
func (p *probe) service() *jettison.Service { return jettison.New(p.backend, nil) }

// dump is the whole state as a view shows it.
func (p *probe) dump(ctx context.Context) (lines []string, err error) {
	err = p.backend.View(ctx, func(stores jettison.Stores) (err error) {
		lines, err = Dump(ctx, stores)
		return err
	})
	return lines, err
}

// unchanged runs fn and makes sure that the state is afterwards as it was.
func (p *probe) unchanged(ctx context.Context, fn func() error) error {
	before, err := p.dump(ctx)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	after, err := p.dump(ctx)
	if err != nil {
		return err
	}
	return sameLines("the state after it", after, before)
}
