package etcdkv_test

import (
	"testing"

	"github.com/jettison-oci/jettison/internal/backends"
	"github.com/jettison-oci/jettison/internal/scripttest"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
	"github.com/jettison-oci/jettison/storetest"
)

// backend is kvstore over stores on fakes. Their transactions are so small that
// many updates need a log.
func backend() backends.Backend {
	return backends.KV("etcdkv", func(t testing.TB) kv.DB {
		_, db := open(t, &etcdkv.Options{MaxOps: 16})
		return db
	})
}

func TestStore(t *testing.T) { storetest.Run(t, backend().Config()) }

func TestScripts(t *testing.T) {
	scripttest.Run(t, backend(), "../../testdata/script/*.txtar")
}
