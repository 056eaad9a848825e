package etcdkv

import (
	"bytes"
	"iter"

	"github.com/tidwall/btree"

	"github.com/jettison-oci/jettison/kv"
)

// A change is the new value of a key, or its removal.
type change struct {
	kv.Entry

	removed bool
}

// changes are the last change of each key, in the order of the keys.
type changes struct {
	tree *btree.BTreeG[change]
}

func newChanges() *changes {
	less := func(a, b change) bool { return bytes.Compare(a.Key, b.Key) < 0 }
	return &changes{btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

func (c *changes) len() int { return c.tree.Len() }

// put notes a value. It keeps neither slice.
func (c *changes) put(key, value []byte) {
	n := len(key)
	both := append(append(make([]byte, 0, n+len(value)), key...), value...)
	c.tree.Set(change{Entry: kv.Entry{Key: both[:n:n], Value: both[n:]}})
}

// remove notes that a key goes, whether it is there or not.
func (c *changes) remove(key []byte) {
	c.tree.Set(change{Entry: kv.Entry{Key: bytes.Clone(key)}, removed: true})
}

func (c *changes) get(key []byte) (change, bool) {
	return c.tree.Get(change{Entry: kv.Entry{Key: key}})
}

// batches cuts the changes into pieces that a request can hold: of so many changes
// at most, each of which takes some bytes besides its key and its value.
func (c *changes) batches(most, extra int) iter.Seq[[]change] {
	return func(yield func([]change) bool) {
		var batch []change
		size, more := 0, true
		c.tree.Scan(func(ch change) bool {
			n := len(ch.Key) + len(ch.Value) + extra
			if len(batch) == most || len(batch) > 0 && size+n > maxBytes {
				more = yield(batch)
				batch, size = nil, 0
			}
			batch, size = append(batch, ch), size+n
			return more
		})
		if more && len(batch) > 0 {
			yield(batch)
		}
	}
}

// A merger weaves the changes below a prefix into the stored entries, which come
// in order.
type merger struct {
	iter   btree.IterG[change]
	prefix []byte
	more   bool
	yield  func(kv.Entry) bool
	ended  bool
}

func (c *changes) merge(prefix []byte, yield func(kv.Entry) bool) *merger {
	m := &merger{iter: c.tree.Iter(), prefix: prefix, yield: yield}
	m.more = m.iter.Seek(change{Entry: kv.Entry{Key: prefix}})
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

// stored takes the next stored entry, after the changes that come before it, and
// reports whether more is wanted.
func (m *merger) stored(e kv.Entry) bool {
	for !m.ended {
		c, ok := m.next()
		if !ok {
			return m.pass(e)
		}
		order := bytes.Compare(e.Key, c.Key)
		if order < 0 {
			return m.pass(e)
		}
		m.changed(c)
		if order == 0 {
			break
		}
	}
	return !m.ended
}

// rest passes on the changes that come after all stored entries.
func (m *merger) rest() {
	for c, ok := m.next(); ok; c, ok = m.next() {
		m.changed(c)
	}
}

// changed passes on a change, unless it is a removal, and turns to the next.
func (m *merger) changed(c change) {
	m.more = m.iter.Next()
	if !c.removed {
		m.pass(c.Entry)
	}
}

func (m *merger) pass(e kv.Entry) bool {
	m.ended = !m.yield(e)
	return !m.ended
}
