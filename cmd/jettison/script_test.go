package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
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
	held := holders{stores: make(map[string]*diskstore.Store)}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("IMAGES", images)
			env.Setenv("JETTISON_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("GORACE", os.Getenv("GORACE")) // how a race detector ends its process
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "damage": damage, "harm": harm, "lease": lease, "hold": held.hold, "release": held.release,
		},
	})
}

// condition tells scripts what was built: [podman] is whether Podman's stores are
// in it.
func condition(name string) (bool, error) {
	if name != "podman" {
		return false, fmt.Errorf("no condition %q", name)
	}
	return podmanBuilt() == nil, nil
}

// holders are the stores that scripts have open for writing in this process, by
// directory.
type holders struct {
	mu     sync.Mutex
	stores map[string]*diskstore.Store
}

// hold opens the script's store for writing.
func (h *holders) hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: hold")
	}
	dir := ts.Getenv("JETTISON_STORE")
	store, err := diskstore.Open(context.Background(), dir, nil)
	ts.Check(err)
	ts.Defer(func() { _ = store.Close() }) // a script that failed may not have come to it
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stores[dir] = store
}

// release ends hold.
func (h *holders) release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: release")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	store := h.stores[ts.Getenv("JETTISON_STORE")]
	if store == nil {
		ts.Fatalf("nothing is held")
	}
	ts.Check(store.Close())
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

// damage makes a record unreadable, the first whose key begins so: damage KEY.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage KEY")
	}
	ctx := context.Background()
	db, err := boltkv.Open(ctx, filepath.Join(ts.Getenv("JETTISON_STORE"), "meta.db"), nil)
	ts.Check(err)
	err = db.Update(ctx, func(tx kv.Tx) error {
		var key []byte
		for entry, err := range tx.Scan(ctx, []byte(args[0])) {
			if err != nil {
				return err
			}
			key = bytes.Clone(entry.Key)
			break
		}
		if key == nil {
			return errors.New("no such record")
		}
		return tx.Put(ctx, key, []byte("no record"))
	})
	ts.Check(errors.Join(err, db.Close()))
}

// lease takes a lease that never ends, as a program that died leaves it, and
// sets $LEASE to its ID: lease IMAGE KIND OWNER.
func lease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: lease IMAGE KIND OWNER")
	}
	ctx := context.Background()
	store, err := diskstore.Open(ctx, ts.Getenv("JETTISON_STORE"), nil)
	ts.Check(err)
	taken, err := jettison.New(store, nil).Lease(ctx, args[0], jettison.LeaseOptions{
		Kind: conflict.LeaseKind(args[1]), Owner: args[2],
	})
	ts.Check(errors.Join(err, store.Close()))
	ts.Setenv("LEASE", taken.ID)
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
