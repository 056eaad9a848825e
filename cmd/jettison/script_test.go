package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jettison": main})
}

// TestScripts runs the command as a user does. Each script has a store of its
// own in $JETTISON_STORE and the archives of real engines in $IMAGES.
func TestScripts(t *testing.T) {
	images, err := filepath.Abs("../../testdata/images")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("IMAGES", images)
			env.Setenv("JETTISON_STORE", filepath.Join(env.WorkDir, "store"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command and checks its exit status: exits STATUS COMMAND ARG...
// What it prints is there for stdout and stderr afterwards.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d\nstderr: %s", got, want, ts.ReadFile("stderr"))
	}
}

// TestDefaultStore shows where the store is when nothing names one.
func TestDefaultStore(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for _, tc := range []struct{ store, data, want string }{
		{"/srv/images", "/data", "/srv/images"},
		{"", "/data", "/data/jettison"},
		{"", "", "/home/me/.local/share/jettison"},
	} {
		t.Setenv("JETTISON_STORE", tc.store)
		t.Setenv("XDG_DATA_HOME", tc.data)
		if got := defaultStore(); got != tc.want {
			t.Errorf("defaultStore() with JETTISON_STORE=%q XDG_DATA_HOME=%q: got %q, want %q", tc.store, tc.data, got, tc.want)
		}
	}
}
