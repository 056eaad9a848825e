package diskstore

import (
	"sync"

	"github.com/jettison-oci/jettison/internal/class"
)

// A gate lets in whatever may leave garbage, until the store is closed.
type gate struct {
	mu     sync.Mutex
	closed bool
	under  sync.WaitGroup
}

// enter fails when the gate is closed, with an error that names the store;
// otherwise leave must follow.
func (g *gate) enter(store string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return class.Errorf(class.Unavailable, "store %s is closed", store)
	}
	g.under.Add(1)
	return nil
}

func (g *gate) leave() { g.under.Done() }

// close lets nobody in any more and waits until all have left.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.under.Wait()
}
