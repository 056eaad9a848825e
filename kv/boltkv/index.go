package boltkv

import (
	"bytes"
	"hash/maphash"
)

// An index finds the last change of a key in a log: a hash table with linear
// probing. Unlike a map it needs no look at the keys to grow, and they lie far
// apart.
type index struct {
	seed  maphash.Seed
	slots []int // 0, or one more than the place of a change; a power of two
	keys  int
}

func newIndex() index { return index{seed: maphash.MakeSeed()} }

func (x *index) hash(key []byte) uint32 { return uint32(maphash.Bytes(x.seed, key)) } //nolint:gosec // its lower half

// find returns the slot of a key, where there is a change or may be one. There
// must be slots.
func (x *index) find(log *changes, key []byte, hash uint32) *int {
	mask := len(x.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		slot := &x.slots[i]
		if *slot == 0 {
			return slot
		}
		if c := log.at(*slot - 1); c.hash == hash && bytes.Equal(c.Key, key) {
			return slot
		}
	}
}

// last returns the place of the last change of a key, or none.
func (x *index) last(log *changes, key []byte) int {
	if x.keys == 0 {
		return none
	}
	return *x.find(log, key, x.hash(key)) - 1
}

// push notes the last change of the log, and where the one of the same key
// before it is.
func (x *index) push(log *changes) {
	if 4*x.keys >= 3*len(x.slots) {
		x.grow(log)
	}
	c := log.at(log.n - 1)
	c.hash = x.hash(c.Key)
	slot := x.find(log, c.Key, c.hash)
	c.before, *slot = *slot-1, log.n
	if c.before == none {
		x.keys++
	}
}

// pop forgets the last change of the log. Its key came last, if it was new, so
// no other key lies where it does because its slot was taken.
func (x *index) pop(log *changes) {
	c := log.at(log.n - 1)
	*x.find(log, c.Key, c.hash) = c.before + 1
	if c.before == none {
		x.keys--
	}
}

// grow makes twice as many slots, for all changes but the last. Keys come in
// the order in which they came.
func (x *index) grow(log *changes) {
	x.slots = make([]int, max(64, 2*len(x.slots)))
	for at := range log.n - 1 {
		c := log.at(at)
		*x.find(log, c.Key, c.hash) = at + 1
	}
}
