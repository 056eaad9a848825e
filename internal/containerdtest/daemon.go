//go:build linux

// Package containerdtest runs a containerd for tests: the one that is installed,
// as root, with directories and a socket of its own, so that it knows nothing of
// any other.
package containerdtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Snapshotter is the one that the daemon unpacks images with. It works on every
// file system.
const Snapshotter = "native"

// patience is how long a daemon may take to begin or to end.
const patience = 20 * time.Second

// lazy is the configuration of a daemon that collects garbage for nothing but a
// call that waits for it.
const lazy = `
[plugins."io.containerd.gc.v1.scheduler"]
deletion_threshold = 1000000
mutation_threshold = 0
startup_delay = "24h"
`

// A Daemon is a containerd that belongs to a test. It is not safe for concurrent
// use, but for Ctr.
type Daemon struct {
	t       testing.TB
	dir     string
	more    string // of its configuration
	running *exec.Cmd
}

// Start starts a daemon, with nothing in it, and waits until it listens. It ends
// with the test, and with it the containers that were started in it. A test
// without containerd, ctr or the rights of root fails.
func Start(t testing.TB) *Daemon {
	t.Helper()
	return start(t, "")
}

// StartLazy is Start for a daemon that collects garbage only for whoever waits for
// it, and not by itself after each deletion.
func StartLazy(t testing.TB) *Daemon {
	t.Helper()
	return start(t, lazy)
}

func start(t testing.TB, more string) *Daemon {
	t.Helper()
	for _, tool := range []string{"containerd", "ctr"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("this test needs containerd: %v", err)
		}
	}
	dir, err := os.MkdirTemp(parentFor(t), "containerd") //nolint:usetesting // a socket wants a shorter path
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // who may use the socket is up to the socket
		t.Fatal(err)
	}
	d := &Daemon{t: t, dir: dir, more: more}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(d.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	d.Run()
	return d
}

// parentFor is where a daemon has its directories: in memory, where that is
// possible, for a disk is waited for most of the time, and what a process that was
// killed had written is there all the same. A benchmark wants the disk.
func parentFor(t testing.TB) string {
	const memory = "/dev/shm"
	_, measures := t.(*testing.B)
	if info, err := os.Stat(memory); err != nil || !info.IsDir() || measures {
		return ""
	}
	return memory
}

// config is the daemon's: only its own directories, and no plugin that looks for
// anything else on the machine.
func (d *Daemon) config() string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = [
	"io.containerd.grpc.v1.cri",
	"io.containerd.internal.v1.opt",
	"io.containerd.internal.v1.tracing",
	"io.containerd.snapshotter.v1.aufs",
	"io.containerd.snapshotter.v1.btrfs",
	"io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.zfs",
]
[debug]
level = "warn"
[grpc]
address = %q
[ttrpc]
address = %q
`, d.Root(), filepath.Join(d.dir, "state"), d.Address(), d.Address()+".ttrpc") + d.more
}

// Address is the path of the daemon's socket.
func (d *Daemon) Address() string { return filepath.Join(d.dir, "containerd.sock") }

// Root is the directory with what the daemon keeps.
func (d *Daemon) Root() string { return filepath.Join(d.dir, "root") }

// Blob is the file of a piece of content, given by its digest.
func (d *Daemon) Blob(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return filepath.Join(d.Root(), "io.containerd.content.v1.content", "blobs", algorithm, hex)
}

// Run starts the daemon on its directories, as they are, and waits until it
// listens.
func (d *Daemon) Run() {
	d.t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the daemon writes it
	cmd := exec.Command("containerd", "--config", filepath.Join(d.dir, "config.toml"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.running = cmd
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", d.Address()) // it listens when all of it is ready
		if err == nil {
			_ = conn.Close() // nothing was said
			return
		}
		if time.Since(begin) > patience {
			d.t.Fatalf("containerd does not listen: %v\nits log: %s", err, d.log())
		}
	}
}

// log is what the daemon has written so far.
func (d *Daemon) log() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Runs reports whether the daemon has been started and neither stopped nor killed.
func (d *Daemon) Runs() bool { return d.running != nil }

// Freeze stops the daemon where it is: it answers nothing until Thaw.
func (d *Daemon) Freeze() {
	d.t.Helper()
	d.signal(syscall.SIGSTOP)
	for begin := time.Now(); !d.isFrozen(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			d.t.Fatal("containerd does not stop")
		}
	}
}

// isFrozen reports whether each thread of the daemon has stopped, which takes a
// while: by its line in /proc, where a state follows the name in parentheses.
func (d *Daemon) isFrozen() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.running.Process.Pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, path := range threads {
		line, err := os.ReadFile(path)
		_, state, _ := strings.Cut(string(line), ") ")
		if err != nil || !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Thaw lets the daemon go on.
func (d *Daemon) Thaw() {
	d.t.Helper()
	d.signal(syscall.SIGCONT)
}

func (d *Daemon) signal(signal syscall.Signal) {
	d.t.Helper()
	if err := d.running.Process.Signal(signal); err != nil {
		d.t.Fatal(err)
	}
}

// Kill kills the daemon, whatever it is doing.
func (d *Daemon) Kill() {
	d.t.Helper()
	d.stop(syscall.SIGKILL)
}

// Stop asks the daemon to end, and waits until it has.
func (d *Daemon) Stop() {
	d.t.Helper()
	d.stop(syscall.SIGTERM)
}

func (d *Daemon) stop(signal syscall.Signal) {
	d.t.Helper()
	d.signal(signal)
	late := time.AfterFunc(patience, func() { _ = d.running.Process.Kill() })
	_ = d.running.Wait() // a daemon that was killed has failed
	if !late.Stop() && signal != syscall.SIGKILL {
		d.t.Errorf("containerd did not end within %s; its log: %s", patience, d.log())
	}
	d.running = nil
}

// Ctr runs ctr on the daemon, in a namespace, and returns what it prints.
func (d *Daemon) Ctr(namespace string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ctr", args...)
	cmd.Env = append(os.Environ(), d.Environment(namespace)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, problem.String())
	}
	return out.String(), nil
}

// Environment is the one in which ctr, and other programs that go by its
// variables, work on the daemon.
func (d *Daemon) Environment(namespace string) []string {
	return []string{
		"CONTAINERD_ADDRESS=" + d.Address(),
		"CONTAINERD_NAMESPACE=" + namespace,
		"CONTAINERD_SNAPSHOTTER=" + Snapshotter,
	}
}

// end ends containers and daemon, and removes the directories.
func (d *Daemon) end() {
	d.t.Helper()
	if d.t.Failed() {
		d.t.Logf("the log of containerd: %s", d.log())
	}
	if d.running == nil {
		d.Run() // it alone can end its containers
	}
	d.Thaw()
	if err := d.endTasks(); err != nil {
		d.t.Error(err)
	}
	d.Stop()
	if err := os.RemoveAll(d.dir); err != nil {
		d.t.Error(err)
	}
}

// endTasks ends the containers that run, in every namespace. Each has a directory.
func (d *Daemon) endTasks() error {
	tasks, err := filepath.Glob(filepath.Join(d.dir, "state", "io.containerd.runtime.v2.task", "*", "*"))
	if err != nil {
		return err
	}
	for _, path := range tasks {
		namespace := filepath.Base(filepath.Dir(path))
		if _, err := d.Ctr(namespace, "tasks", "rm", "-f", filepath.Base(path)); err != nil {
			return err
		}
	}
	return nil
}
