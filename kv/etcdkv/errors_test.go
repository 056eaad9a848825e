package etcdkv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/etcdkv"
)

// Whatever a server answers, a View, an Update and New have an error of one class.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		answer, want error
	}{
		{rpctypes.ErrGRPCNoSpace, class.Unavailable},
		{rpctypes.ErrGRPCRequestTooManyRequests, class.Unavailable},
		{rpctypes.ErrGRPCPermissionDenied, class.Unavailable},
		{rpctypes.ErrGRPCInvalidAuthToken, class.Unavailable},
		{rpctypes.ErrGRPCAuthFailed, class.Unavailable},
		{rpctypes.ErrGRPCUserEmpty, class.Unavailable},
		{rpctypes.ErrGRPCAuthNotEnabled, class.Unavailable},
		{rpctypes.ErrGRPCCompacted, class.Unavailable},
		{status.Error(codes.Unknown, "context deadline exceeded"), class.Unavailable},
		{rpctypes.ErrGRPCTooManyOps, class.InvalidArgument},
		{rpctypes.ErrGRPCRequestTooLarge, class.InvalidArgument},
		{rpctypes.ErrGRPCCorrupt, class.Internal},
		{status.Error(codes.Unimplemented, "unknown service etcdserverpb.KV"), class.Internal},
		{status.Error(codes.Unknown, "something else"), class.Internal},
	} {
		t.Run(c.answer.Error(), func(t *testing.T) {
			f, db := open(t, &etcdkv.Options{CommitTimeout: 50 * time.Millisecond})
			f.mu.Lock()
			f.refuse = c.answer
			f.mu.Unlock()
			_, err := entriesOf(t.Context(), db, "")
			checkOneClass(t, err, c.want)
			checkOneClass(t, putAll(t.Context(), db, map[string]string{"a": "1"}), c.want)
		})
	}
}

// checkOneClass says how an error is not of one class and of no other.
func checkOneClass(t testing.TB, err, want error) {
	t.Helper()
	checkClass(t, err, want)
	for _, c := range []error{class.InvalidArgument, class.NotFound, class.Conflict, class.Unavailable, class.Internal} {
		if got := errors.Is(err, c); got != (c == want) { //nolint:errorlint // both are sentinels
			t.Errorf("error %v: is %v %t", err, c, got)
		}
	}
}

// A server that is not there is Unavailable within the time of the context.
func TestNoServer(t *testing.T) {
	f, address := newFake(t)
	db := openAt(t, address, nil)
	f.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := entriesOf(ctx, db, "")
	checkOneClass(t, err, class.Unavailable)
	checkOneClass(t, putAll(ctx, db, map[string]string{"a": "1"}), class.Unavailable)
	_, err = etcdkv.New(ctx, client(t, address), nil)
	checkOneClass(t, err, class.Unavailable)
}

// A server that takes less than this package sends is told apart, with the flag.
func TestLimits(t *testing.T) {
	byTransport := status.Error(codes.ResourceExhausted, "grpc: received message larger than max (1229308 vs. 1048576)")
	for answer, flag := range map[error]string{
		rpctypes.ErrGRPCTooManyOps:      "--max-txn-ops",
		rpctypes.ErrGRPCRequestTooLarge: "--max-request-bytes",
		byTransport:                     "--max-request-bytes",
	} {
		f, db := open(t, &etcdkv.Options{CommitTimeout: 50 * time.Millisecond})
		f.faulty(func(*pb.TxnRequest) fault { return fault{err: answer} })
		err := putAll(t.Context(), db, map[string]string{"a": "1"})
		var limit *etcdkv.LimitError
		if !errors.As(err, &limit) || limit.Flag != flag || !strings.Contains(err.Error(), flag) {
			t.Errorf("got %v, want a LimitError about %s", err, flag)
		}
		checkOneClass(t, err, class.InvalidArgument)
	}
	_, db := open(t, nil)
	err := db.Update(t.Context(), func(tx kv.Tx) error {
		checkOneClass(t, tx.Put(t.Context(), make([]byte, 4<<10+1), nil), class.InvalidArgument)
		checkOneClass(t, tx.Put(t.Context(), []byte("a"), make([]byte, 1<<20+1)), class.InvalidArgument)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The largest entries and very small ones fit the requests, below a long prefix, also
// where a transaction has room for more operations than bytes.
func TestRequestsFit(t *testing.T) {
	prefix := "/" + strings.Repeat("p", 254) + "/"
	for _, ops := range []int{maxOps, 20_000} {
		for name, entries := range map[string]map[string]string{
			"large": many(strings.Repeat("k", 4<<10-5), 3, strings.Repeat("v", 1<<20)),
			"small": many("", 10_000, ""),
		} {
			t.Run(fmt.Sprintf("%s/%d", name, ops), func(t *testing.T) {
				f, db := open(t, &etcdkv.Options{Prefix: prefix, MaxOps: ops})
				f.maxOps = ops
				if err := putAll(t.Context(), db, entries); err != nil {
					t.Fatal(err)
				}
				got, err := entriesOf(t.Context(), db, "")
				if err != nil || len(got) != len(entries) {
					t.Errorf("got %d entries, %v; want %d", len(got), err, len(entries))
				}
			})
		}
	}
}

// A transaction whose state has been compacted away is told so; a new one works.
func TestCompacted(t *testing.T) {
	_, address := newFake(t)
	c := client(t, address)
	db, err := etcdkv.New(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	compact := func() error {
		if err := putAll(t.Context(), db, map[string]string{"a": "2"}); err != nil {
			return err
		}
		resp, err := c.Get(t.Context(), "none")
		if err == nil {
			_, err = c.Compact(t.Context(), resp.Header.Revision)
		}
		return err
	}
	err = db.View(t.Context(), func(r kv.Reader) error {
		if err := compact(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Get(t.Context(), []byte("a"))
		return err
	})
	var compacted *etcdkv.CompactedError
	if !errors.As(err, &compacted) || compacted.Revision == 0 {
		t.Errorf("got %v, want a CompactedError that names a revision", err)
	}
	checkOneClass(t, err, class.Unavailable)
	checkEntries(t, db, map[string]string{"a": "2"})
}

func TestOptions(t *testing.T) {
	_, address := newFake(t)
	for _, opts := range []etcdkv.Options{
		{Prefix: strings.Repeat("p", 257)}, {MaxOps: 7}, {MaxOps: -1}, {CommitTimeout: -1},
	} {
		_, err := etcdkv.New(t.Context(), client(t, address), &opts)
		checkOneClass(t, err, class.InvalidArgument)
	}
}

// A client that waits for no one: what is told of a context is told of it.
func TestContextOfACall(t *testing.T) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = etcdkv.New(ctx, c, nil)
	checkOneClass(t, err, class.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
