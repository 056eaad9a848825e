package etcdkv_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// What a server says, or a connection that was lost.
var (
	errLost    = status.Error(codes.Unavailable, "the connection was lost")
	errRefused = status.Error(codes.PermissionDenied, "etcdserver: permission denied")
)

// putAll writes entries in one update.
func putAll(ctx context.Context, db kv.DB, entries map[string]string) error {
	return db.Update(ctx, func(tx kv.Tx) error { return putIn(ctx, tx, entries) })
}

func putIn(ctx context.Context, tx kv.Tx, entries map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if err := tx.Put(ctx, []byte(key), []byte(entries[key])); err != nil {
			return err
		}
	}
	return nil
}

// entriesOf returns what a view shows below a prefix.
func entriesOf(ctx context.Context, db kv.DB, prefix string) (map[string]string, error) {
	var found map[string]string
	err := db.View(ctx, func(r kv.Reader) error {
		found = map[string]string{}
		for e, err := range r.Scan(ctx, []byte(prefix)) {
			if err != nil {
				return err
			}
			found[string(e.Key)] = string(e.Value)
		}
		return nil
	})
	return found, err
}

// checkEntries compares what a view shows with what should be there.
func checkEntries(t testing.TB, db kv.DB, want map[string]string) {
	t.Helper()
	got, err := entriesOf(t.Context(), db, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// many are so many entries below a prefix, all with one value.
func many(prefix string, n int, value string) map[string]string {
	entries := map[string]string{}
	for i := range n {
		entries[fmt.Sprintf("%s%05d", prefix, i)] = value
	}
	return entries
}

// both are the entries of two maps.
func both(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// checkClass says how an error is not of one class and of no other.
func checkClass(t testing.TB, err, want error) {
	t.Helper()
	if got := class.Of(err); got != want { //nolint:errorlint // classes are compared
		t.Errorf("error %v: got class %v, want %v", err, got, want)
	}
}

// faulty sets what happens to transactions from now on; nil ends it.
func (f *fake) faulty(happens func(*pb.TxnRequest) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = happens
}

// cut makes the n-th transaction from now on, counted from 0, happen as given, and
// all later ones be refused, as for a program that has crashed. What it returns
// ends that, and says whether it came to that.
func (f *fake) cut(n int, last fault) func() bool {
	f.faulty(func(*pb.TxnRequest) fault {
		n--
		switch {
		case n >= 0:
			return fault{}
		case n == -1:
			return last
		}
		return fault{err: errRefused}
	})
	return func() bool {
		f.faulty(nil)
		return n < 0
	}
}

// once makes the next transaction that puts a head happen as given.
func (f *fake) once(happens fault) {
	f.faulty(func(r *pb.TxnRequest) fault {
		if !putsHead(r) {
			return fault{}
		}
		defer func() { f.fault = nil }()
		return happens
	})
}

func putsHead(r *pb.TxnRequest) bool {
	return slices.ContainsFunc(r.Success, func(op *pb.RequestOp) bool {
		return strings.HasSuffix(string(op.GetRequestPut().GetKey()), "/head")
	})
}

// names are the keys that the fake has below a prefix.
func (f *fake) names(prefix string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []string
	for key, versions := range f.pairs.Scan {
		if strings.HasPrefix(key, prefix) && versions[len(versions)-1].Version > 0 {
			found = append(found, key)
		}
	}
	return found
}
