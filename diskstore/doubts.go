package diskstore

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// doubts are what is marked as garbage, but perhaps not durably. A commit can
// be seen by others before it is on disk, and one that failed may be seen all
// the same. After a power failure either may be gone, and the content be held
// again. No file goes while its mark is in doubt.
type doubts struct {
	mu sync.Mutex
	// under counts the commits under way that mark each content. Ended is
	// signalled when one has ended.
	under map[digest.Digest]int
	ended *sync.Cond
	// failed counts the commits that failed after their function had
	// succeeded. What they have marked is unknown, so all content is in doubt
	// until a later commit makes them durable; settled counts those.
	failed, settled int
}

func newDoubts() *doubts {
	d := &doubts{under: make(map[digest.Digest]int)}
	d.ended = sync.NewCond(&d.mu)
	return d
}

// begin notes that a commit is about to mark this content; end must follow.
func (d *doubts) begin(marked []digest.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, content := range marked {
		d.under[content]++
	}
}

// end notes that a commit is not under way any more.
func (d *doubts) end(marked []digest.Digest, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.ended.Broadcast()
	if failed {
		d.failed++
	}
	for _, content := range marked {
		if d.under[content]--; d.under[content] == 0 {
			delete(d.under, content)
		}
	}
}

// failures returns what settle wants to know ahead of a commit.
func (d *doubts) failures() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// settle notes that a commit is durable ahead of which so many had failed.
func (d *doubts) settle(failures int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled = max(d.settled, failures)
}

// any reports whether all content is in doubt.
func (d *doubts) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled < d.failed
}

// remain waits for the commits under way that mark this content, and reports
// whether it is in doubt then.
func (d *doubts) remain(content digest.Digest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.under[content] > 0 {
		d.ended.Wait()
	}
	return d.settled < d.failed
}
