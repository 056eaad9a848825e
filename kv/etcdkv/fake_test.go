package etcdkv_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/tidwall/btree"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A fake is etcd as far as this package asks for it: an in-memory server that real
// clients talk to. It keeps its whole history, and its limits are etcd's.
type fake struct {
	pb.UnimplementedKVServer

	mu        sync.Mutex
	revision  int64
	compacted int64
	behind    int64                                 // revisions that the member has not seen that answers by itself
	pairs     btree.Map[string, []*mvccpb.KeyValue] // each version of a key; one that is deleted has version 0
	late      []*pb.TxnRequest                      // to be done before the next request
	calls     map[string]int                        // requests by kind
	sizes     []int                                 // bytes of each answer to a range
	// fault, if there is one, says what happens to a transaction.
	fault  func(*pb.TxnRequest) fault
	stop   func()
	maxOps int
	// refuse, if there is one, is the answer to every request.
	refuse error
}

// A fault is what happens to a transaction: it is done or not, now or later, and
// the client gets an answer or an error.
type fault struct {
	err  error // instead of an answer
	do   bool  // although there is an error
	late bool  // done, but only before a later request
}

// etcd's limits of a transaction.
const (
	maxOps   = 128
	maxBytes = 1.5 * 1024 * 1024
)

// newFake starts a fake, and returns it with its address. It ends with the test.
func newFake(t testing.TB) (*fake, string) {
	t.Helper()
	f := &fake{revision: 1, calls: map[string]int{}, maxOps: maxOps}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(2 * maxBytes))
	pb.RegisterKVServer(server, f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Stop
	}()
	f.stop = func() {
		server.Stop()
		<-done
	}
	t.Cleanup(f.stop)
	return f, l.Addr().String()
}

// client returns a client of the servers at the addresses. It is closed with the test.
func client(t testing.TB, addresses ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: addresses, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return c
}

// begin counts a request, and does what came late.
func (f *fake) begin(kind string) error {
	f.calls[kind]++
	late := f.late
	f.late = nil
	for _, r := range late {
		f.txn(r)
	}
	return f.refuse
}

// Range implements pb.KVServer.
func (f *fake) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("range"); err != nil {
		return nil, err
	}
	present := f.revision
	if r.Serializable {
		present -= f.behind
	}
	switch {
	case r.Revision > present:
		return nil, rpctypes.ErrGRPCFutureRev
	case r.Revision > 0 && r.Revision < f.compacted:
		return nil, rpctypes.ErrGRPCCompacted
	}
	at := r.Revision
	if at == 0 {
		at = present
	}
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: present}}
	f.ascend(r.Key, r.RangeEnd, at, func(pair *mvccpb.KeyValue) bool {
		if r.Limit > 0 && int64(len(resp.Kvs)) == r.Limit {
			resp.More = true
			return false
		}
		resp.Kvs = append(resp.Kvs, pair)
		return true
	})
	f.sizes = append(f.sizes, proto.Size(resp))
	return resp, nil
}

// ascend passes on the pairs of a range as of a revision. An empty end makes it one
// key, a zero byte all keys from there on.
func (f *fake) ascend(from, end []byte, at int64, yield func(*mvccpb.KeyValue) bool) {
	f.pairs.Ascend(string(from), func(key string, versions []*mvccpb.KeyValue) bool {
		switch {
		case len(end) == 0 && key != string(from):
			return false
		case len(end) > 0 && !bytes.Equal(end, []byte{0}) && key >= string(end):
			return false
		}
		for _, v := range slices.Backward(versions) {
			if v.ModRevision <= at {
				return v.Version == 0 || yield(v)
			}
		}
		return true
	})
}

// Txn implements pb.KVServer.
func (f *fake) Txn(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("txn"); err != nil {
		return nil, err
	}
	switch {
	case max(len(r.Compare), len(r.Success), len(r.Failure)) > f.maxOps:
		return nil, rpctypes.ErrGRPCTooManyOps
	case proto.Size(r) > maxBytes:
		return nil, rpctypes.ErrGRPCRequestTooLarge
	case overlap(r.Success):
		return nil, rpctypes.ErrGRPCDuplicateKey
	}
	var happens fault
	if f.fault != nil {
		happens = f.fault(r)
	}
	if happens.late {
		f.late = append(f.late, r)
	}
	if happens.err != nil && !happens.do {
		return nil, happens.err
	}
	return f.txn(r), happens.err
}

// overlap reports whether a key is put twice, or put and deleted.
func overlap(ops []*pb.RequestOp) bool {
	puts := map[string]bool{}
	for _, op := range ops {
		if p := op.GetRequestPut(); p != nil {
			if puts[string(p.Key)] {
				return true
			}
			puts[string(p.Key)] = true
		}
	}
	for _, op := range ops {
		d := op.GetRequestDeleteRange()
		if d == nil {
			continue
		}
		for key := range puts {
			if key == string(d.Key) || len(d.RangeEnd) > 0 && key >= string(d.Key) && key < string(d.RangeEnd) {
				return true
			}
		}
	}
	return false
}

// txn does a transaction.
func (f *fake) txn(r *pb.TxnRequest) *pb.TxnResponse {
	resp := &pb.TxnResponse{Succeeded: true}
	for _, c := range r.Compare {
		resp.Succeeded = resp.Succeeded && f.holds(c)
	}
	if ops := r.Success; resp.Succeeded && len(ops) > 0 {
		f.revision++
		for _, op := range ops {
			f.do(op)
		}
	}
	resp.Header = &pb.ResponseHeader{Revision: f.revision}
	return resp
}

func (f *fake) holds(c *pb.Compare) bool {
	pair := &mvccpb.KeyValue{}
	f.ascend(c.Key, nil, f.revision, func(p *mvccpb.KeyValue) bool {
		pair = p
		return true
	})
	switch c.Target {
	case pb.Compare_VALUE:
		return pair.Version > 0 && bytes.Equal(pair.Value, c.GetValue())
	case pb.Compare_CREATE:
		return pair.CreateRevision == c.GetCreateRevision()
	default:
		panic("the fake knows no such comparison")
	}
}

func (f *fake) do(op *pb.RequestOp) {
	if p := op.GetRequestPut(); p != nil {
		f.set(&mvccpb.KeyValue{Key: p.Key, Value: p.Value, Version: 1})
	}
	if d := op.GetRequestDeleteRange(); d != nil {
		var gone [][]byte
		f.ascend(d.Key, d.RangeEnd, f.revision, func(p *mvccpb.KeyValue) bool {
			gone = append(gone, p.Key)
			return true
		})
		for _, key := range gone {
			f.set(&mvccpb.KeyValue{Key: key})
		}
	}
}

func (f *fake) set(pair *mvccpb.KeyValue) {
	versions, _ := f.pairs.Get(string(pair.Key))
	pair.ModRevision, pair.CreateRevision = f.revision, f.revision
	if n := len(versions); n > 0 && versions[n-1].Version > 0 && pair.Version > 0 {
		pair.Version, pair.CreateRevision = versions[n-1].Version+1, versions[n-1].CreateRevision
	}
	f.pairs.Set(string(pair.Key), append(versions, pair))
}

// Put and Compact are what tests do past the package.

// Put implements pb.KVServer.
func (f *fake) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision++
	f.set(&mvccpb.KeyValue{Key: r.Key, Value: r.Value, Version: 1})
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: f.revision}}, nil
}

// DeleteRange implements pb.KVServer.
func (f *fake) DeleteRange(_ context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revision++
	f.do(&pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}})
	return &pb.DeleteRangeResponse{Header: &pb.ResponseHeader{Revision: f.revision}}, nil
}

// Compact implements pb.KVServer.
func (f *fake) Compact(_ context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.compacted = r.Revision
	return &pb.CompactionResponse{Header: &pb.ResponseHeader{Revision: f.revision}}, nil
}
