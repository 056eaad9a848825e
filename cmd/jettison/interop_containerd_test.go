//go:build interop && linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jettison-oci/jettison/internal/containerdtest"
)

// TestInteropContainerd runs the command on a real containerd, in which each
// script of testdata/containerd has a namespace of its own: that of its name.
// Images and containers are made with ctr, which also looks at what is left. The
// first line of a script names the rules that it shows.
//
// Besides, there are the commands
//
//	image VAR REF[,REF...] LAYER...            an image; $VAR is its ID, $VARtop its topmost layer
//	index VAR REF PLATFORM=LAYER,LAYER...      an index; PLATFORM is OS/ARCH
//	run NAME REF                               a container that runs
//	lease NAME DIGEST                          a lease on content that another program has
//	view NAME LAYER                            a mount of a layer that no collection takes
//	left WHAT                                  what ctr lists: images, content, snapshots or leases
func TestInteropContainerd(t *testing.T) {
	scripts := containerdScripts{daemon: containerdtest.Start(t), sleeper: containerdtest.Sleeper(t), anybody: forAnybody(t)}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/containerd",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               scripts.setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "image": scripts.image, "index": scripts.index, "run": scripts.run, "lease": scripts.lease, "view": scripts.view, "left": scripts.left,
		},
	})
}

// containerdScripts are scripts that share a daemon.
type containerdScripts struct {
	daemon  *containerdtest.Daemon
	sleeper string
	anybody string
}

// forAnybody makes a directory with the command, which everybody may run.
func forAnybody(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "jettison") //nolint:usetesting // that of t.TempDir is for its owner alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in nobody's way
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "jettison"), data, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s containerdScripts) setup(env *testscript.Env) error {
	namespace := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	env.Vars = append(env.Vars, s.daemon.Environment(namespace)...)
	env.Setenv("JETTISON_STORE", "containerd")
	env.Setenv("ANYBODY", s.anybody)
	env.Setenv("HOME", env.WorkDir)
	return nil
}

func (s containerdScripts) image(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: image VAR REF[,REF...] LAYER...")
	}
	platform := containerdtest.Platform{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Layers: args[2:]}
	s.add(ts, args[0], args[1], containerdtest.Image{Platforms: []containerdtest.Platform{platform}})
	chain, err := platform.ChainID()
	ts.Check(err)
	ts.Setenv(args[0]+"top", chain.String())
}

func (s containerdScripts) index(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: index VAR REF PLATFORM=LAYER,LAYER...")
	}
	img := containerdtest.Image{Index: true}
	for _, arg := range args[2:] {
		platform, layers, _ := strings.Cut(arg, "=")
		system, architecture, _ := strings.Cut(platform, "/")
		img.Platforms = append(img.Platforms, containerdtest.Platform{
			Platform: ocispec.Platform{OS: system, Architecture: architecture}, Layers: strings.Split(layers, ","),
		})
	}
	s.add(ts, args[0], args[1], img)
}

// add imports the image under its names, separated by commas, and sets a
// variable to its ID.
func (s containerdScripts) add(ts *testscript.TestScript, variable, names string, img containerdtest.Image) {
	img.Names = strings.Split(names, ",")
	path := ts.MkAbs(variable + ".tar")
	file, err := os.Create(path)
	ts.Check(err)
	ids, err := containerdtest.Archive(file, img)
	ts.Check(err)
	ts.Check(file.Close())
	ts.Check(ts.Exec("ctr", "images", "import", "--all-platforms", path))
	ts.Setenv(variable, ids[0].String())
	ts.Setenv(variable+"12", ids[0].Encoded()[:12])
}

func (s containerdScripts) run(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: run NAME REF")
	}
	ts.Check(ts.Exec("ctr", "run", "-d", "--mount", "type=bind,src="+s.sleeper+",dst=/sleeper,options=rbind:ro",
		args[1], args[0], "/sleeper"))
}

// lease leases a piece of content as another program does, for ever. With ctr one
// can make a lease, but not put anything under it.
func (s containerdScripts) lease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lease NAME DIGEST")
	}
	s.do(ts, func(ctx context.Context, c *client.Client) error {
		made, err := c.LeasesService().Create(ctx, leases.WithID(args[0]))
		if err != nil {
			return err
		}
		return c.LeasesService().AddResource(ctx, made, leases.Resource{ID: args[1], Type: "content"})
	})
}

// view makes a snapshot as another program does for a mount, and holds it by a
// label: one that ctr makes goes with the next collection.
func (s containerdScripts) view(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: view NAME LAYER")
	}
	s.do(ts, func(ctx context.Context, c *client.Client) error {
		_, err := c.SnapshotService(containerdtest.Snapshotter).View(ctx, args[0], args[1],
			snapshots.WithLabels(map[string]string{"containerd.io/gc.root": "test"}))
		return err
	})
}

// do does something to the daemon that ctr cannot do, in the namespace of the
// script.
func (s containerdScripts) do(ts *testscript.TestScript, fn func(context.Context, *client.Client) error) {
	c, err := client.New(s.daemon.Address())
	ts.Check(err)
	ctx := namespaces.WithNamespace(context.Background(), ts.Getenv("CONTAINERD_NAMESPACE"))
	ts.Check(errors.Join(fn(ctx, c), c.Close()))
}

// left lists what is left, by name alone, on standard output.
func (s containerdScripts) left(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: left images|content|snapshots|leases")
	}
	ts.Check(ts.Exec("ctr", args[0], "ls"))
	var names []string
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		if i > 0 {
			names = append(names, strings.Fields(line)[0]+"\n")
		}
	}
	_, err := ts.Stdout().Write([]byte(strings.Join(names, "")))
	ts.Check(err)
}
