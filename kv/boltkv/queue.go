package boltkv

import (
	"context"
	"slices"
	"sync"

	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// A queue orders Updates. One of them leads; those that come meanwhile wait,
// until the leader calls them to share its commit or the lead is passed on to
// them.
type queue struct {
	mu      sync.Mutex
	led     bool
	waiting []*waiter // in the order in which they came
	// shared says that the last commit was shared. It belongs to the leader.
	shared bool
}

// A waiter is an Update whose turn has not come.
type waiter struct {
	// alone says that it must not share a commit.
	alone bool
	// turn brings the batch to join, or nil for the lead.
	turn chan *batch
}

// wait returns when it is the turn of w: the batch to join, or nil for the
// lead, which [queue.pass] must end. A context that ends first ends the wait.
func (q *queue) wait(ctx context.Context, w *waiter) (*batch, error) {
	if !q.enter(w) {
		return nil, nil
	}
	select {
	case b := <-w.turn:
		return b, nil
	case <-ctx.Done():
		if q.leave(w) {
			return nil, txn.Ended(ctx)
		}
		return <-w.turn, nil // which came at the same moment
	}
}

// enter reports whether w has to wait. If not, it has the lead.
func (q *queue) enter(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.led {
		q.led = true
		return false
	}
	w.turn = make(chan *batch, 1)
	q.waiting = append(q.waiting, w)
	return true
}

// leave reports whether w was still waiting; now it is not.
func (q *queue) leave(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.waiting, w)
	if at < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, at, at+1)
	return true
}

// next takes the first waiter that may share a commit out of the queue, or
// returns nil when it may not or there is none.
func (q *queue) next() *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.waiting[0].alone {
		return nil
	}
	return q.first()
}

// pass gives the lead to the first waiter.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led = false
		return
	}
	q.first().turn <- nil
}

// first takes the first waiter out of the queue, which has one.
func (q *queue) first() *waiter {
	w := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return w
}
