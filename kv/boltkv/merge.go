package boltkv

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/jettison-oci/jettison/kv"
)

// A merger weaves the changes below a prefix into the stored entries, which
// come in order.
type merger struct {
	log    *changes
	prefix []byte
	iter   btree.IterG[keyed]
	more   bool
	yield  func(kv.Entry, error) bool
	ended  bool
}

func (p *pending) merge(prefix []byte, yield func(kv.Entry, error) bool) *merger {
	m := &merger{log: &p.log, prefix: prefix, iter: p.sorted().Iter(), yield: yield}
	m.more = m.iter.Seek(keyed{key: m.prefix})
	return m
}

// next is the change whose turn it is.
func (m *merger) next() (change, bool) {
	if !m.more || m.ended {
		return change{}, false
	}
	c := *m.log.at(m.iter.Item().at)
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
