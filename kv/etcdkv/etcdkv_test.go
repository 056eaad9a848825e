package etcdkv_test

import (
	"testing"

	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
	"github.com/jettison-oci/jettison/kv/kvtest"
)

// open opens a store on a fake of its own.
func open(t testing.TB, opts *etcdkv.Options) (*fake, *etcdkv.DB) {
	t.Helper()
	f, address := newFake(t)
	return f, openAt(t, address, opts)
}

// openAt opens a store on the server at an address. It is closed with the test.
func openAt(t testing.TB, address string, opts *etcdkv.Options) *etcdkv.DB {
	t.Helper()
	db, err := etcdkv.New(t.Context(), client(t, address), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestContract(t *testing.T) {
	kvtest.Run(t, func(t testing.TB) kv.DB {
		_, db := open(t, nil)
		return db
	})
}

// With so few operations in a transaction nearly all updates need a log.
func TestContractWithLogs(t *testing.T) {
	kvtest.Run(t, func(t testing.TB) kv.DB {
		_, db := open(t, &etcdkv.Options{MaxOps: 8})
		return db
	})
}
