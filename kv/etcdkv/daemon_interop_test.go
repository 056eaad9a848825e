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
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// A daemon is an etcd of a test's own.
type daemon struct {
	name    string
	cluster string // the members as etcd wants to be told of them
	dir     string
	address string
	peer    string
	cmd     *exec.Cmd
	log     *bytes.Buffer
}

// newDaemon starts an etcd with its data in a directory of the test, and waits until
// it answers. It ends with the test.
func newDaemon(t testing.TB) *daemon {
	t.Helper()
	return newCluster(t, 1)[0]
}

// newCluster starts so many members of a cluster.
func newCluster(t testing.TB, members int) []*daemon {
	t.Helper()
	var all []*daemon
	var cluster []string
	for i := range members {
		d := &daemon{name: fmt.Sprint("member", i), address: freeAddress(t), peer: freeAddress(t)}
		d.dir = filepath.Join(t.TempDir(), d.name)
		all, cluster = append(all, d), append(cluster, d.name+"=http://"+d.peer)
	}
	for _, d := range all {
		d.cluster = strings.Join(cluster, ",")
		d.launch(t)
		t.Cleanup(func() { d.kill(t) })
	}
	for _, d := range all {
		d.await(t)
	}
	return all
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

// start starts a daemon that was killed.
func (d *daemon) start(t testing.TB) {
	t.Helper()
	d.launch(t)
	d.await(t)
}

func (d *daemon) launch(t testing.TB) {
	t.Helper()
	d.log = &bytes.Buffer{}
	d.cmd = exec.Command("etcd", //nolint:gosec // the arguments are the test's
		"--name="+d.name, "--data-dir="+d.dir, "--listen-client-urls=http://"+d.address, "--advertise-client-urls=http://"+d.address,
		"--listen-peer-urls=http://"+d.peer, "--initial-advertise-peer-urls=http://"+d.peer, "--initial-cluster="+d.cluster)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// await returns when the daemon answers.
func (d *daemon) await(t testing.TB) {
	t.Helper()
	if err := d.wait(t); err != nil {
		d.kill(t)
		t.Fatalf("etcd does not come up: %v\n%s", err, d.log)
	}
}

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
