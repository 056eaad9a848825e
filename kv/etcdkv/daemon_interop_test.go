//go:build interop

package etcdkv_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// A daemon is an etcd of a test's own.
type daemon struct {
	dir     string
	address string
	peer    string
	cmd     *exec.Cmd
	log     *bytes.Buffer
}

// newDaemon starts an etcd with its data in a directory of the test, and waits until
// it answers. It ends with the test.
func newDaemon(t testing.TB, flags ...string) *daemon {
	t.Helper()
	d := &daemon{dir: filepath.Join(t.TempDir(), "etcd"), address: freeAddress(t), peer: freeAddress(t)}
	t.Cleanup(func() { d.kill(t) })
	d.start(t, flags...)
	return d
}

// freeAddress is one that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (d *daemon) start(t testing.TB, flags ...string) {
	t.Helper()
	d.log = &bytes.Buffer{}
	d.cmd = exec.Command("etcd", append([]string{ //nolint:gosec // the arguments are the test's
		"--name=test", "--data-dir=" + d.dir, "--listen-client-urls=http://" + d.address, "--advertise-client-urls=http://" + d.address,
		"--listen-peer-urls=http://" + d.peer, "--initial-advertise-peer-urls=http://" + d.peer, "--initial-cluster=test=http://" + d.peer,
	}, flags...)...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.wait(t); err != nil {
		d.kill(t)
		t.Fatalf("etcd does not come up: %v\n%s", err, d.log)
	}
}

// wait returns when the daemon answers.
func (d *daemon) wait(t testing.TB) error {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{d.address}, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if _, err = c.Get(ctx, "none"); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// kill ends the daemon at once, as a power failure would.
func (d *daemon) kill(t testing.TB) {
	t.Helper()
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	if err := d.cmd.Process.Signal(os.Kill); err != nil {
		t.Errorf("kill etcd: %v", err)
	}
	_ = d.cmd.Wait() // says that it was killed
	d.cmd = nil
}
