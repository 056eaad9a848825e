package boltkv

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/jettison-oci/jettison/kv"
)

// pending are the writes of a transaction, in the order of the keys. They
// reach bbolt at the commit, in that order: a page that is written to becomes a
// list in memory that is searched and shifted for each key, so writes that come
// in key by key from all over cost several times as much. Reads find the pages
// untouched.
type pending struct {
	tree *btree.BTreeG[change]
	// bytes is about how much was written: overwriting counts again.
	bytes int
}

// A change is the new value of a key, or its removal.
type change struct {
	kv.Entry
	removed bool
}

func newPending() pending {
	less := func(a, b change) bool { return bytes.Compare(a.Key, b.Key) < 0 }
	return pending{tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

// A savepoint is what was pending at some moment.
type savepoint pending

// save returns a savepoint. It copies nothing; later writes copy what they
// touch.
func (p *pending) save() savepoint {
	return savepoint{tree: p.tree.Copy(), bytes: p.bytes}
}

// restore undoes what was written since the savepoint, which is used up.
func (p *pending) restore(s savepoint) { *p = pending(s) }

func lookup(key []byte) change { return change{Entry: kv.Entry{Key: key}} }

// put notes a value. It keeps neither slice.
func (p *pending) put(key, value []byte) {
	n := len(key)
	p.bytes += n + len(value)
	both := append(append(make([]byte, 0, n+len(value)), key...), value...)
	p.tree.Set(change{Entry: kv.Entry{Key: both[:n:n], Value: both[n:]}})
}

// remove notes that a key goes, whether it is stored or not.
func (p *pending) remove(key []byte) {
	p.bytes += len(key)
	p.tree.Set(change{Entry: kv.Entry{Key: bytes.Clone(key)}, removed: true})
}

func (p *pending) get(key []byte) (change, bool) { return p.tree.Get(lookup(key)) }

// A merger weaves the changes below a prefix into the stored entries, which
// come in order.
type merger struct {
	prefix []byte
	iter   btree.IterG[change]
	more   bool
	yield  func(kv.Entry, error) bool
	ended  bool
}

func (p *pending) merge(prefix []byte, yield func(kv.Entry, error) bool) *merger {
	m := &merger{prefix: prefix, iter: p.tree.Iter(), yield: yield}
	m.more = m.iter.Seek(lookup(prefix))
	return m
}

// next is the change whose turn it is.
func (m *merger) next() (change, bool) {
	if !m.more || m.ended {
		return change{}, false
	}
	c := m.iter.Item()
	return c, bytes.HasPrefix(c.Key, m.prefix)
}

// stored takes the next stored entry, after the changes that come before it,
// and reports whether more is wanted.
func (m *merger) stored(e kv.Entry) bool {
	for {
		c, ok := m.next()
		order := -1
		if ok {
			order = bytes.Compare(e.Key, c.Key)
		}
		if order < 0 {
			return m.pass(e)
		}
		m.changed(c)
		if order == 0 || m.ended {
			return !m.ended
		}
	}
}

// rest passes on the changes that come after all stored entries.
func (m *merger) rest() {
	for c, ok := m.next(); ok; c, ok = m.next() {
		m.changed(c)
	}
	m.iter.Release()
}

// changed passes on a change, unless it is a removal, and turns to the next.
func (m *merger) changed(c change) {
	m.more = m.iter.Next()
	if !c.removed {
		m.pass(c.Entry)
	}
}

func (m *merger) pass(e kv.Entry) bool {
	if !m.ended {
		m.ended = !m.yield(e, nil)
	}
	return !m.ended
}
