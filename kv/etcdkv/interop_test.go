//go:build interop

package etcdkv_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jettison-oci/jettison/internal/backends"
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
