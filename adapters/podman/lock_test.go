package podman_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.podman.io/storage/pkg/lockfile"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/adapters/podman"
)

// The environment that makes the test binary another process of the tests.
const (
	holdLock    = "JETTISON_TEST_HOLD_LOCK"    // holds this lock until its input ends
	deleteImage = "JETTISON_TEST_DELETE_IMAGE" // deletes these images of the store
	planImage   = "JETTISON_TEST_PLAN_IMAGE"   // plans that
)

// child is what the test binary does in place of tests, if anything.
func child() (does bool) {
	if path := os.Getenv(holdLock); path != "" {
		lock, err := lockfile.GetLockFile(path)
		if err != nil {
			panic(err)
		}
		lock.Lock()
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
		return true
	}
	if args := os.Getenv(deleteImage); args != "" {
		deleteImages(strings.Fields(args))
		return true
	}
	if args := os.Getenv(planImage); args != "" {
		planImages(strings.Fields(args))
		return true
	}
	return false
}

// holder starts a process that holds a lock until release is called.
func holder(t *testing.T, path string) (pid int, release func()) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), holdLock+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = func() {
		_ = in.Close() // it may be closed already
		_ = cmd.Wait()
	}
	t.Cleanup(release)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return cmd.Process.Pid, release
}

// A lock that another process holds is waited for, no longer than the context and
// the option allow, and the error says who holds it.
func TestLocked(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	_, err := f.Layers() // the lock of the mounts is there then
	f.check(err)
	for _, name := range []string{
		"storage.lock", "vfs-images/images.lock", "vfs-layers/layers.lock", "vfs-containers/containers.lock", "../run/vfs-layers/mountpoints.lock",
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			path := filepath.Join(f.root, name)
			pid, _ := holder(t, path)
			unchanged(t, f.root, func() {
				checkLocked(t, "View", path, pid, f.backend(&podman.Options{LockTimeout: 20 * time.Millisecond}).View(t.Context(), nothing))
				checkLocked(t, "Update", path, pid, f.backend(&podman.Options{LockTimeout: -1}).Update(t.Context(), nothing))
				_, err := open(t, podman.Options{GraphRoot: f.root, RunRoot: f.runRoot, LockTimeout: -1})
				checkLocked(t, "Open", path, pid, err)

				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				_, err = jettison.New(f.backend(nil), nil).ImageDelete(ctx, m.id.String(), jettison.RemoveOptions{})
				if !errors.Is(err, jettison.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a context that ends: got %v, want an error of class Unavailable that wraps its own", err)
				}
			})
		})
	}
}

func nothing(jettison.Stores) error { return nil }

func checkLocked(t *testing.T, what, path string, pid int, err error) {
	t.Helper()
	var locked *podman.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, jettison.ErrUnavailable) {
		t.Errorf("%s: got %v, want a LockedError of class Unavailable", what, err)
		return
	}
	if want := fmt.Sprintf("process %d (", pid); locked.Path != path || !strings.HasPrefix(locked.Holder, want) {
		t.Errorf("%s: got the lock %s, held by %q; want %s, held by %q", what, locked.Path, locked.Holder, path, want)
	}
}

// A lock that is let go in time stops nobody.
func TestLockedForAWhile(t *testing.T) {
	f := newFixture(t)
	m := f.image(spec{layers: []string{"os"}, names: []string{"localhost/app:1"}})
	_, release := holder(t, filepath.Join(f.root, "vfs-images/images.lock"))
	go func() {
		time.Sleep(30 * time.Millisecond)
		release()
	}()
	if _, err := jettison.New(f.backend(nil), nil).ImageDelete(t.Context(), m.id.String(), jettison.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

// So is a lock of an additional store.
func TestLockedAdditional(t *testing.T) {
	shared, f, _ := additional(t)
	driver, err := f.GraphDriver()
	f.check(err)
	for _, name := range []string{"vfs-layers/layers.lock", "vfs-images/images.lock"} {
		pid, release := holder(t, filepath.Join(shared.root, name))
		ended := make(chan error, 1)
		go func() {
			ended <- f.backend(&podman.Options{LockTimeout: 20 * time.Millisecond}).View(t.Context(), nothing)
		}()
		select {
		case err := <-ended:
			checkLocked(t, "View", filepath.Join(driver.AdditionalImageStores()[0], name), pid, err)
		case <-time.After(time.Minute):
			t.Errorf("%s is waited for without end", name)
		}
		release()
	}
}
