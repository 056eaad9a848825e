package podman_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// deleteImages deletes images of a store, as a process of its own.
func deleteImages(args []string) {
	ctx := context.Background()
	s, err := podman.Open(ctx, &podman.Options{GraphRoot: args[0], RunRoot: args[1]})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	service := jettison.New(s, nil)
	for _, id := range args[2:] {
		records, err := service.ImageDelete(ctx, id, jettison.RemoveOptions{PruneChildren: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, r := range records {
			fmt.Println(r)
		}
	}
}

// sharing makes ten images that share two layers and have one of their own, each
// with a name.
func (f *fixture) sharing() []*made {
	f.t.Helper()
	var all []*made
	for i := range 10 {
		name := fmt.Sprintf("app%d", i)
		all = append(all, f.image(spec{layers: []string{"os", "lib", name}, names: []string{"localhost/" + name + ":1"}}))
	}
	return all
}

// checkGone makes sure that each image and layer was reported as deleted once, and
// that nothing is left of them.
func (f *fixture) checkGone(images []*made, records []string) {
	f.t.Helper()
	count := make(map[string]int)
	for _, record := range records {
		count[record]++
	}
	want := []string{"Deleted: " + images[0].chain(f, 1), "Deleted: " + images[0].chain(f, 2)}
	for i, img := range images {
		want = append(want, fmt.Sprintf("Untagged: localhost/app%d:1", i), "Deleted: "+img.id.String(), "Deleted: "+img.chain(f, 3))
	}
	for _, record := range want {
		if count[record] != 1 {
			f.t.Errorf("%s: reported %d times, want once", record, count[record])
		}
	}
	if len(records) != len(want) {
		f.t.Errorf("got %d records, want %d: %q", len(records), len(want), records)
	}
	layers, err := f.Layers()
	f.check(err)
	if left := f.problems(); len(layers)+len(left) > 0 {
		f.t.Errorf("left: %v, %v", layers, left)
	}
}

// Ten removals at once of images that share layers all succeed, over one backend and
// over several.
func TestAtOnce(t *testing.T) {
	for _, backends := range []int{1, 10} {
		t.Run(fmt.Sprint("backends=", backends), func(t *testing.T) {
			f := newFixture(t)
			images := f.sharing()
			var services []*jettison.Service
			for range backends {
				services = append(services, jettison.New(f.backend(nil), nil))
			}
			var mu sync.Mutex
			var all []string
			var group sync.WaitGroup
			for i, img := range images {
				group.Go(func() {
					records, err := services[i%backends].ImageDelete(t.Context(), img.id.String(), jettison.RemoveOptions{PruneChildren: true})
					mu.Lock()
					defer mu.Unlock()
					all = append(all, lines(records)...)
					if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			f.checkGone(images, all)
		})
	}
}

// So do ten processes.
func TestProcessesAtOnce(t *testing.T) {
	f := newFixture(t)
	images := f.sharing()
	var children []*exec.Cmd
	outputs := make([]strings.Builder, len(images))
	for i, img := range images {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), deleteImage+"="+strings.Join([]string{f.root, f.runRoot, img.id.String()}, " "))
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		f.check(cmd.Start())
		children = append(children, cmd)
	}
	var all []string
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outputs[i].String())
		}
		all = append(all, strings.Split(strings.TrimSpace(outputs[i].String()), "\n")...)
	}
	f.checkGone(images, all)
}

// Whoever updates again and again, as a prune in batches does, lets those who wait go
// first.
func TestTurns(t *testing.T) {
	f := newFixture(t)
	busy := f.backend(nil)
	ctx, cancel := context.WithCancel(t.Context())
	turns := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			err := busy.Update(t.Context(), func(jettison.Stores) error {
				select {
				case turns <- struct{}{}:
				default:
				}
				time.Sleep(10 * time.Millisecond)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for range 10 {
		<-turns
		if err := f.backend(&podman.Options{LockTimeout: time.Minute}).Update(t.Context(), nothing); err != nil {
			t.Error(err)
		}
	}
	cancel()
	group.Wait()
}

// Whoever waits in vain for another's update is told whose it is, not who else waits.
func TestTurnOfOthers(t *testing.T) {
	f := newFixture(t)
	f.check(f.backend(nil).Update(t.Context(), nothing))
	path := filepath.Join(f.runRoot, "vfs-locks", "jettison.lock")
	pid, _ := holder(t, path)
	waiting := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waiting <- f.backend(nil).Update(ctx, nothing) }()
	for range 3 {
		err := f.backend(&podman.Options{LockTimeout: 20 * time.Millisecond}).Update(t.Context(), nothing)
		checkLocked(t, "Update", path, pid, err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("who waits: got %v, want an error that wraps that of the context", err)
	}
}
