package boltkv

import (
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How long a copy may take that relies on a pin, and how long a pin is honoured:
// longer, for it is seen later than it is set. Whoever stops in the midst of a
// copy delays nobody for ever.
const (
	copyLimit = 5 * time.Second
	pinLimit  = 10 * time.Second
	pinPoll   = 2 * time.Millisecond
)

// maxCommit is more than the number of any commit.
const maxCommit = 1 << 60

// pins keep the pages of commits that readers in other processes are copying.
// What keeps them is a transaction of bbolt that reads. It is ended soon after
// the reader's pin: a commit that makes the file outgrow its mapping waits for
// that.
//
// A reader pins commit T while T is the last one. The transaction that is under
// way then makes T+1 and leaves the pages of T alone. When the next one begins,
// the last commit is T or T+1; kept from there on are the pages of either.
type pins struct {
	db *DB

	mu       sync.Mutex
	kept     []keptTx
	watching bool
}

// A keptTx reads a commit since some time.
type keptTx struct {
	tx    *bolt.Tx
	txid  uint64
	since time.Time
}

// keep keeps the pages of the last commit if a reader asks for it. It comes
// before each transaction that writes.
func (p *pins) keep() {
	if !isPinned(p.db.file, 0, maxCommit) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var tx *bolt.Tx
	err := p.db.guardLocked(func() (err error) {
		tx, err = p.db.bolt.Begin(false)
		return err
	})
	if err != nil {
		return // the transaction that follows says so
	}
	last := keptTx{tx: tx, txid: uint64(tx.ID()), since: time.Now()} //nolint:gosec // never negative
	if p.has(last.txid) || !p.wanted(last) {
		p.end(last)
		return
	}
	p.kept = append(p.kept, last)
	if !p.watching {
		p.watching = true
		go p.watch()
	}
}

func (p *pins) has(txid uint64) bool {
	n := len(p.kept)
	return n > 0 && p.kept[n-1].txid == txid
}

// wanted reports whether a reader copies that commit or the one before it.
func (p *pins) wanted(k keptTx) bool {
	return time.Since(k.since) < pinLimit && isPinned(p.db.file, k.txid-1, k.txid)
}

// end ends a transaction. It can have to wait for a View that begins, which waits
// for a commit that outgrows the mapping, which waits for all that is kept: so
// what else ends must not wait for it.
func (p *pins) end(k keptTx) {
	_ = p.db.guardLocked(k.tx.Rollback) // of one that reads it does not fail
}

// watch ends what no reader wants any more, until nothing is left.
func (p *pins) watch() {
	for p.drop(p.wanted) {
		time.Sleep(pinPoll)
	}
}

// drop ends what is not wanted, and reports whether anything is left.
func (p *pins) drop(wanted func(keptTx) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(k keptTx) bool {
		if wanted(k) {
			return false
		}
		go p.end(k)
		return true
	})
	p.watching = len(p.kept) > 0
	return p.watching
}

// close ends all; bbolt's own Close waits for that.
func (p *pins) close() {
	p.drop(func(keptTx) bool { return false })
}
