//go:build !cgo || exclude_graphdriver_btrfs

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
)

// A prune of a store of Podman lets other commands work on it meanwhile: it takes
// the images in batches.
func TestPodmanPruneLetsOthersIn(t *testing.T) {
	const images = 200
	dir := t.TempDir()
	root, volatile := filepath.Join(dir, "root"), filepath.Join(dir, "run")
	store, err := storage.GetStore(storage.StoreOptions{GraphRoot: root, RunRoot: volatile, GraphDriverName: "vfs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Layers(); err != nil { // the directory for them is there then
		t.Fatal(err)
	}
	add := func(n int, names ...string) {
		config := fmt.Appendf(nil, `{"comment":"%d"}`, n)
		id := digest.FromBytes(config)
		_, err := store.CreateImage(id.Encoded(), names, "", "", &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
			{Key: id.String(), Data: config},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		t.Helper()
		all, err := store.Images()
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	add(0, "localhost/app:1")
	for n := range images {
		add(n + 1)
	}
	pruned := make(chan error, 1)
	on := "--store=podman:vfs@" + root + "+" + volatile
	go func() {
		_, err := runRoot(t.Context(), on, "prune", "--force", "--wait", "1m")
		pruned <- err
	}()
	for end := time.Now().Add(20 * time.Second); count() == images+1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is pruned: %v", <-pruned)
		}
	}
	if _, err := runRoot(t.Context(), on, "rmi", "localhost/app:1", "--wait", "10s"); err != nil {
		t.Errorf("rmi beside a prune: %v", err)
	}
	if count() == 0 {
		t.Error("the removal was kept waiting until all was pruned")
	}
	if err := <-pruned; err != nil || count() > 0 {
		t.Errorf("prune: %v; %d images are left", err, count())
	}
}
