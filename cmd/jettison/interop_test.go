//go:build interop

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestInterop lets other tools read what the command writes, and the command
// what they write. A tool that is missing is a failure. Each script in
// testdata/interop has a store of its own, the archives of real engines in
// $IMAGES, and a podman with a store of its own, $PODMAN_STORE,
// in $PODMAN_DIR.
func TestInterop(t *testing.T) {
	tools := []string{"skopeo", "umoci", "podman"}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("this test needs %v: %v", tools, err)
		}
	}
	images, err := filepath.Abs("../../testdata/images")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("IMAGES", images)
			env.Setenv("JETTISON_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("HOME", env.WorkDir)
			return ownPodman(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// ownPodman puts a podman first in the path of a script that keeps to a
// directory of its own. Podman wants a short path for that.
func ownPodman(env *testscript.Env) error {
	podman, err := exec.LookPath("podman")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "podman")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = os.RemoveAll(dir) }) // what is left is in the way of nothing
	script := fmt.Sprintf(`#!/bin/sh
exec %s --root %[2]s/root --runroot %[2]s/run --tmpdir %[2]s/tmp --storage-driver vfs --events-backend file "$@"
`, podman, dir)
	env.Setenv("PODMAN_DIR", dir)
	env.Setenv("PODMAN_STORE", fmt.Sprintf("podman:vfs@%[1]s/root+%[1]s/run", dir))
	env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
	return os.WriteFile(filepath.Join(dir, "podman"), []byte(script), 0o755)
}
