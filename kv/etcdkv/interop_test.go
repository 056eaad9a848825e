//go:build interop

package etcdkv_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
	"github.com/jettison-oci/jettison/kv/kvtest"
	"github.com/jettison-oci/jettison/storetest"
)

// What runs on a fake runs on etcd, whose limits are its defaults: with transactions
// as large as it takes, and with small ones, so that many updates need a log.
func TestInterop(t *testing.T) {
	d := newDaemon(t)
	for _, ops := range []int{0, 8} {
		t.Run(fmt.Sprintf("contract/MaxOps=%d", ops), func(t *testing.T) { kvtest.Run(t, d.stores(ops)) })
	}
	backend := backends.KV("etcd", d.stores(16))
	t.Run("store", func(t *testing.T) { storetest.Run(t, backend.Config()) })
	t.Run("scripts", func(t *testing.T) { scripttest.Run(t, backend, "../../testdata/script/*.txtar") })
}

// Without a majority nothing is read or written, and the errors say that it may be
// later: with the majority back, it is. Updates go on when the member goes that they
// were sent to.
func TestInteropMajority(t *testing.T) {
	members := newCluster(t, 3)
	c := client(t, members[0].address, members[1].address)
	db, err := etcdkv.New(t.Context(), c, &etcdkv.Options{MaxOps: 8})
	if err != nil {
		t.Fatal(err)
	}
	want := many("a", 30, "1")
	if err := putAll(t.Context(), db, want); err != nil {
		t.Fatal(err)
	}
	members[0].kill(t)
	want = many("a", 30, "2")
	err = errors.New("not tried")
	for try := 0; err != nil && try < 10; try++ { // there may be no leader for a while
		err = putAll(t.Context(), db, want)
	}
	if err != nil {
		t.Errorf("an update without one of three members: %v", err)
	}
	checkEntries(t, db, want)

	members[2].kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = entriesOf(ctx, db, "")
	checkOneClass(t, err, class.Unavailable)
	checkOneClass(t, putAll(ctx, db, many("a", 30, "3")), class.Unavailable)
	members[2].start(t)
	if err := putAll(t.Context(), db, map[string]string{"b": "1"}); err != nil {
		t.Errorf("an update with two of three members: %v", err)
	}
	checkEntries(t, db, both(want, map[string]string{"b": "1"}))
}

// A user who may only read, and one who may not even do that, are Unavailable; views
// need no right to write.
func TestInteropPermissions(t *testing.T) {
	d := newDaemon(t)
	root := client(t, d.address)
	db := openAt(t, d.address, nil)
	if err := putAll(t.Context(), db, map[string]string{"a": "1"}); err != nil {
		t.Fatal(err)
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { _, err := root.RoleAdd(ctx, "root"); return err },
		func(ctx context.Context) error { _, err := root.UserAdd(ctx, "root", "secret"); return err },
		func(ctx context.Context) error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := root.RoleAdd(ctx, "reads"); return err },
		func(ctx context.Context) error {
			_, err := root.RoleGrantPermission(ctx, "reads", "/jettison/", "/jettison0", clientv3.PermissionType(clientv3.PermRead))
			return err
		},
		func(ctx context.Context) error { _, err := root.UserAdd(ctx, "reader", "secret"); return err },
		func(ctx context.Context) error { _, err := root.UserGrantRole(ctx, "reader", "reads"); return err },
		func(ctx context.Context) error { _, err := root.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := entriesOf(t.Context(), db, "")
	checkOneClass(t, err, class.Unavailable)
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{d.address}, Username: "reader", Password: "secret", Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	reader, err := etcdkv.New(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkEntries(t, reader, map[string]string{"a": "1"})
	checkOneClass(t, putAll(t.Context(), reader, map[string]string{"a": "2"}), class.Unavailable)
	checkEntries(t, reader, map[string]string{"a": "1"})
}

// stores opens a store of its own for each test, with so many operations in a
// transaction.
func (d *daemon) stores(ops int) func(testing.TB) kv.DB {
	var opened atomic.Int64
	return func(t testing.TB) kv.DB {
		t.Helper()
		prefix := fmt.Sprintf("/%d/%d", ops, opened.Add(1))
		return openAt(t, d.address, &etcdkv.Options{Prefix: prefix, MaxOps: ops})
	}
}
