package boltkv

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/jettison-oci/jettison/kv"
)

// pending are the writes of a transaction, one after another, and the last of
// each key. They reach bbolt at the commit, in the order of the keys (see
// order): a page that is written to becomes a list in memory that is searched
// and shifted for each key, so writes that come in key by key from all over
// cost several times as much. Reads find the pages untouched.
type pending struct {
	log   changes
	index index
	// tree has the keys of the first inTree changes, in order. Only scans need
	// it, and many transactions make all their scans before they write: a scan
	// brings it up to date.
	tree   *btree.BTreeG[keyed]
	inTree int
	slab   []byte // where the next key or value goes
	// bytes is about how much was written: overwriting counts again.
	bytes int
}

// A change is the new value of a key, or its removal.
type change struct {
	kv.Entry

	before  int // where the change of this key before this one is, or none
	hash    uint32
	removed bool
}

// none is no place in the log.
const none = -1

// changes is a list that grows without being copied.
type changes struct {
	blocks [][]change
	n      int
}

// blockSize is how many changes lie together: 4 KiB of them.
const blockSize = 64

func (l *changes) at(i int) *change { return &l.blocks[i/blockSize][i%blockSize] }

func (l *changes) push(c change) {
	if l.n == len(l.blocks)*blockSize {
		l.blocks = append(l.blocks, make([]change, blockSize))
	}
	l.n++
	*l.at(l.n - 1) = c
}

func (l *changes) pop() {
	*l.at(l.n - 1) = change{}
	l.n--
}

// keyed is the place in the log of the last change of a key.
type keyed struct {
	key []byte
	at  int
}

func newPending() pending { return pending{index: newIndex()} }

// A savepoint is what was pending at some moment.
type savepoint struct{ changes, bytes int }

// save returns a savepoint. It costs nothing: the log is only appended to.
func (p *pending) save() savepoint { return savepoint{p.log.n, p.bytes} }

// restore undoes what was written since the savepoint, the last first.
func (p *pending) restore(s savepoint) {
	for p.log.n > s.changes {
		p.index.pop(&p.log)
		if p.log.n <= p.inTree {
			p.untree(*p.log.at(p.log.n - 1))
		}
		p.log.pop()
	}
	p.bytes, p.inTree = s.bytes, min(p.inTree, s.changes)
}

// untree puts what was before a change in its place.
func (p *pending) untree(c change) {
	if c.before == none {
		p.tree.Delete(keyed{key: c.Key})
		return
	}
	p.tree.Set(keyed{c.Key, c.before})
}

// put notes a value. It keeps neither slice.
func (p *pending) put(key, value []byte) {
	p.add(change{Entry: kv.Entry{Key: p.keep(key), Value: p.keep(value)}})
}

// remove notes that a key goes, whether it is stored or not.
func (p *pending) remove(key []byte) {
	p.add(change{Entry: kv.Entry{Key: p.keep(key)}, removed: true})
}

func (p *pending) add(c change) {
	p.log.push(c)
	p.index.push(&p.log)
	p.bytes += len(c.Key) + len(c.Value)
}

// keep returns a copy. Many share a piece of memory.
func (p *pending) keep(b []byte) []byte {
	if n := len(p.slab); cap(p.slab)-n < len(b) {
		p.slab = make([]byte, 0, max(len(b), min(2*cap(p.slab)+smallSlab, largeSlab)))
	}
	n := len(p.slab)
	p.slab = append(p.slab, b...)
	return p.slab[n:len(p.slab):len(p.slab)]
}

const (
	smallSlab = 1 << 10
	largeSlab = 1 << 16
)

// get returns the last change of a key.
func (p *pending) get(key []byte) (change, bool) {
	at := p.index.last(&p.log, key)
	if at == none {
		return change{}, false
	}
	return *p.log.at(at), true
}

// sorted returns the tree, up to date.
func (p *pending) sorted() *btree.BTreeG[keyed] {
	if p.tree == nil {
		less := func(a, b keyed) bool { return bytes.Compare(a.key, b.key) < 0 }
		p.tree = btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
	}
	for ; p.inTree < p.log.n; p.inTree++ {
		p.tree.Set(keyed{p.log.at(p.inTree).Key, p.inTree})
	}
	return p.tree
}
