package containerd_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/containerd"
	"github.com/jettison-oci/jettison/adapters/containerd/internal/fixture"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/internal/scripttest"
)

// TestContainerdScripts runs the scenarios of testdata/script over containerd's
// own stores in this process. They show what is containerd's alone: names as they
// are recorded, uses as programs on top of containerd leave them, and what the
// garbage collector takes.
//
// Commands that make the state:
//
//	image NAME [layers=A,B] [parent=NAME] RECORD...   a record is a name as it is stored, with {NAME}
//	                           for the target; without any the image dangles as Docker's do
//	index NAME PLATFORM=LAYER,LAYER... [RECORD...]
//	tag IMAGE RECORD           as Docker tags: a name that is taken is moved
//	label IMAGE KEY=VALUE      on every record of the image
//	container ID NAME IMAGE [running] [mounts=IMAGE] [namespace=NS]
//	                           made from IMAGE, which it calls NAME, or "-"
//	docker ID IMAGE            a container as Docker keeps it when it does not run
//	mount KEY IMAGE [LEASE]    a view of the image's layers that belongs to no container
//	start|stop|discard ID
//	lease ID [for=DURATION] [IMAGE...]  another program's lease on what the images are
//	write TEXT [LEASE]         content that no image needs, held by a lease
//
// Commands that do and show:
//
//	rmi [-f] [--platform P] REF...   prune [-a]   kept REF     class CLASS    why
//	records                    every record with its target
//	content                    how many blobs and snapshots there are
//	collect                    what containerd itself does in time
//
// The target of the image app is written {app}, its first digits {app:12}, the
// digest of its configuration {app.config}, the chain of its layers {app.top}.
func TestContainerdScripts(t *testing.T) { runContainerdScripts(t, fixture.Open) }

// runContainerdScripts runs them over what open opens for each.
func runContainerdScripts(t *testing.T, open func(testing.TB) *fixture.Process) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                containerdCommands(),
		Setup: func(env *testscript.Env) error {
			t, ok := env.T().(testing.TB)
			if !ok {
				return fmt.Errorf("scripts need a testing.TB, not a %T", env.T())
			}
			w, err := newWorld(t, open(t))
			env.Values[worldKey{}] = w
			return err
		},
	})
}

type worldKey struct{}

// A world is what a scenario works on.
type world struct {
	t       testing.TB
	process *fixture.Process
	engine  *fixture.Engine
	backend *containerd.Backend
	service *jettison.Service
	ids     map[string]digest.Digest
	objects map[string]fixture.Object
	err     error
}

func newWorld(t testing.TB, p *fixture.Process) (*world, error) {
	w := &world{
		t:       t,
		process: p,
		engine:  &fixture.Engine{Services: p.Services, Namespace: "default", Snapshotter: fixture.Snapshotter, Runner: p.Tasks},
		ids:     make(map[string]digest.Digest),
		objects: make(map[string]fixture.Object),
	}
	var err error
	w.backend, err = containerd.New(p.Services, &containerd.Options{Namespaces: []string{"other"}})
	w.service = jettison.New(w.backend, nil)
	return w, err
}

type scriptCall struct {
	*world
	ts     *testscript.TestScript
	args   []string
	values map[string]string
	flags  map[string]bool
	out    strings.Builder
}

func containerdCommands() map[string]func(*testscript.TestScript, bool, []string) {
	found := make(map[string]func(*testscript.TestScript, bool, []string))
	for name, do := range map[string]func(*scriptCall) error{
		"image": (*scriptCall).image, "index": (*scriptCall).index, "tag": (*scriptCall).tag, "label": (*scriptCall).label,
		"container": (*scriptCall).container, "docker": (*scriptCall).docker, "mount": (*scriptCall).mount,
		"start": (*scriptCall).start, "stop": (*scriptCall).halt, "discard": (*scriptCall).discard,
		"lease": (*scriptCall).lease, "write": (*scriptCall).write,
		"rmi": (*scriptCall).rmi, "prune": (*scriptCall).prune, "kept": (*scriptCall).kept,
		"class": (*scriptCall).class, "why": (*scriptCall).why,
		"records": (*scriptCall).records, "content": (*scriptCall).content, "collect": (*scriptCall).collect,
	} {
		found[name] = func(ts *testscript.TestScript, neg bool, args []string) { runCall(ts, neg, args, do) }
	}
	return found
}

// runCall runs a command with IDs in place of names, and writes names in place of
// IDs.
func runCall(ts *testscript.TestScript, neg bool, args []string, do func(*scriptCall) error) {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	c := &scriptCall{world: w, ts: ts, values: make(map[string]string), flags: make(map[string]bool)}
	option := regexp.MustCompile(`^([a-z0-9./-]+)=(.*)$`)
	for _, arg := range args {
		arg = w.expand(arg)
		if found := option.FindStringSubmatch(arg); found != nil {
			c.values[found[1]] = found[2]
		} else if strings.HasPrefix(arg, "-") && arg != "-" {
			c.flags[arg] = true
		} else {
			c.args = append(c.args, arg)
		}
	}
	err := do(c)
	_, _ = fmt.Fprint(ts.Stdout(), w.shorten(c.out.String()))
	if err != nil {
		_, _ = fmt.Fprintln(ts.Stderr(), w.shorten(err.Error()))
	}
	if neg == (err == nil) {
		ts.Fatalf("failed: %t, wanted that: %t", err != nil, neg)
	}
}

func (c *scriptCall) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(&c.out, format+"\n", args...)
}

// expand writes the IDs of what is known by name; others are expanded when the
// image is made.
func (w *world) expand(text string) string {
	for word, id := range w.ids {
		text = strings.NewReplacer("{"+word+"}", id.String(), "{"+word+":12}", id.Encoded()[:12], "{"+word+":hex}", id.Encoded()).Replace(text)
	}
	return text
}

func (w *world) shorten(text string) string {
	for _, word := range slices.Sorted(maps.Keys(w.ids)) {
		id := w.ids[word]
		text = strings.NewReplacer(id.String(), "{"+word+"}", id.Encoded()[:12], "{"+word+":12}").Replace(text)
	}
	return text
}

func (c *scriptCall) rmi() error {
	opts := jettison.RemoveOptions{Force: c.flags["-f"], PruneChildren: true}
	if text := c.values["platform"]; text != "" {
		parts := strings.Split(text, "/")
		opts.Platforms = append(opts.Platforms, ocispec.Platform{OS: parts[0], Architecture: parts[1]})
	}
	for _, ref := range c.args {
		plan, err := c.service.PlanDelete(c.t.Context(), []string{ref}, opts)
		c.ts.Check(err)
		var records []jettison.DeleteResponse
		records, c.err = c.service.ImageDelete(c.t.Context(), ref, opts)
		if c.err == nil && !slices.Equal(records, plan.Records()) {
			c.ts.Fatalf("the plan says %v, done was %v", plan.Records(), records)
		}
		for _, r := range records {
			c.printf("%s", r)
		}
		for _, kept := range plan.Kept() {
			c.printf("Kept: %s - %s", kept.Image, scripttest.KeptText(kept))
		}
	}
	return c.err
}

func (c *scriptCall) prune() error {
	opts := jettison.PruneOptions{All: c.flags["-a"]}
	report, err := c.service.ImagesPrune(c.t.Context(), opts)
	c.err = err
	for _, r := range report.ImagesDeleted {
		c.printf("%s", r)
	}
	for _, kept := range report.Kept {
		c.printf("Kept: %s - %s", kept.Image, kept)
	}
	if report.SpaceReclaimed > 0 {
		c.printf("reclaimed some")
	}
	return err
}

func (c *scriptCall) kept() error {
	plan, err := c.service.PlanDelete(c.t.Context(), c.args, jettison.RemoveOptions{Force: true})
	c.ts.Check(err)
	for _, kept := range plan.Kept() {
		c.printf("%s", kept)
	}
	return nil
}

func (c *scriptCall) class() error {
	if got := scripttest.Classes(c.err); len(got) != 1 || got[0] != c.args[0] {
		return fmt.Errorf("the error is of class %v", got)
	}
	return nil
}

func (c *scriptCall) why() error {
	if refused, ok := errors.AsType[*conflict.Error](c.err); ok {
		for _, found := range refused.Conflicts {
			c.printf("%s", found)
		}
	}
	return nil
}

func (c *scriptCall) records() error {
	records, err := c.process.Services.Images.List(c.engine.In(c.t.Context()))
	for _, record := range records {
		c.printf("%s -> %s", record.Name, record.Target.Digest)
	}
	return err
}

func (c *scriptCall) content() error {
	blobs, layers := 0, 0
	ctx := c.engine.In(c.t.Context())
	err := c.process.Services.Content.Walk(ctx, func(info content.Info) error {
		blobs++
		return nil
	})
	if err != nil {
		return err
	}
	err = c.process.Services.Snapshotter(fixture.Snapshotter).Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		layers++
		return nil
	})
	c.printf("%d blobs, %d snapshots", blobs, layers)
	return err
}

func (c *scriptCall) collect() error {
	if c.process.Services.Garbage == nil { // a daemon does it for whoever ends a lease and waits
		made, err := c.process.Services.Leases.Create(c.engine.In(c.t.Context()), leases.WithRandomID())
		if err != nil {
			return err
		}
		return c.process.Services.Leases.Delete(c.engine.In(c.t.Context()), made, leases.SynchronousDelete)
	}
	_, err := c.process.Services.Garbage.GarbageCollect(c.engine.In(c.t.Context()))
	return err
}
