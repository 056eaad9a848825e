package podman_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// planImages plans the deletion of images of a store, as a process of its own.
func planImages(args []string) {
	ctx := context.Background()
	s, err := podman.Open(ctx, &podman.Options{GraphRoot: args[0], RunRoot: args[1]})
	if err == nil {
		_, err = jettison.New(s, nil).PlanDelete(ctx, args[2:], jettison.RemoveOptions{PruneChildren: true})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// times are when the files below a directory were last changed. Directories count
// only by what is in them.
func times(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	found := make(map[string]time.Time)
	for path := range listing(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() {
			found[path] = info.ModTime()
		}
	}
	return found
}

// Whoever opens a store and only looks changes no file of it, and makes none.
func TestLookingChangesNothing(t *testing.T) {
	f := newFixture(t)
	base := f.image(spec{layers: []string{"os"}})
	app := f.image(spec{layers: []string{"os", "app"}, parent: base, names: []string{"localhost/app:1"}})
	f.container("c1", app, podmans)
	before := times(t, f.root)
	unchanged(t, f.root, func() {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), planImage+"="+strings.Join([]string{f.root, f.runRoot, "localhost/app:1", base.id.String()}, " "))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("plan: %v\n%s", err, out)
		}
	})
	if diff := cmp.Diff(before, times(t, f.root)); diff != "" {
		t.Errorf("times of files (-before +after):\n%s", diff)
	}
	if exists(filepath.Join(f.runRoot, "vfs-locks", "jettison.lock")) {
		t.Error("the lock of updates was made")
	}
}
