// Package txn is what the engines of this module have in common: when a
// transaction may start, and what it may still do.
package txn

import (
	"context"
	"iter"
	"sync"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
)

// A Gate lets transactions into an engine: any number that read, one at a time
// that writes, and none once it is closed. It is safe for concurrent use.
type Gate struct {
	name  string
	turn  chan struct{}
	under sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// NewGate returns an open gate. The name of what lies behind it appears in the
// error of a closed one.
func NewGate(name string) *Gate {
	return &Gate{name: name, turn: make(chan struct{}, 1)}
}

// Enter lets a reading transaction in; [Gate.Leave] must follow. It fails when
// the context has ended or the gate is closed, both of class Unavailable.
func (g *Gate) Enter(ctx context.Context) error {
	if err := Ended(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return class.Errorf(class.Unavailable, "%s is closed", g.name)
	}
	g.under.Add(1)
	return nil
}

// Leave lets a transaction out that Enter let in.
func (g *Gate) Leave() {
	g.under.Done()
}

// EnterAlone lets a writing transaction in once no other one is; LeaveAlone
// must follow. A context that ends first ends the wait. Errors are those of
// Enter.
func (g *Gate) EnterAlone(ctx context.Context) error {
	if err := g.Enter(ctx); err != nil {
		return err
	}
	select {
	case g.turn <- struct{}{}:
		if err := Ended(ctx); err != nil {
			g.LeaveAlone()
			return err
		}
		return nil
	case <-ctx.Done():
		g.Leave()
		return Ended(ctx)
	}
}

// LeaveAlone lets a transaction out that EnterAlone let in.
func (g *Gate) LeaveAlone() {
	<-g.turn
	g.Leave()
}

// Close lets no more transactions in and returns when those inside, and those
// waiting for their turn, have left. It may be called again.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.under.Wait()
}

// State says what a transaction may do. Like a transaction it serves one
// goroutine.
type State struct {
	over  bool
	scans int
}

// End makes every later Read and Write fail.
func (s *State) End() {
	s.over = true
}

// Read returns why the transaction cannot be read: its end or the context's.
func (s *State) Read(ctx context.Context) error {
	if s.over {
		return class.Errorf(class.InvalidArgument, "the transaction has ended")
	}
	return Ended(ctx)
}

// Write returns why the transaction cannot be written to: as for Read, or a
// scan that runs, which the write would lead astray.
func (s *State) Write(ctx context.Context) error {
	if s.scans > 0 {
		return class.Errorf(class.InvalidArgument, "a scan of the transaction is running")
	}
	return s.Read(ctx)
}

// Scan returns the sequence that walk yields, and as its last element the
// error that walk returns. Walk must return nil after a yield that was false.
func (s *State) Scan(walk func(yield func(kv.Entry, error) bool) error) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		s.scans++
		defer func() { s.scans-- }()
		if err := walk(yield); err != nil {
			yield(kv.Entry{}, err)
		}
	}
}

// Ended returns the error of a context that has ended, of class Unavailable,
// and nil for one that has not.
func Ended(ctx context.Context) error {
	return class.Wrap(class.Unavailable, ctx.Err())
}
