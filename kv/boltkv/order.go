package boltkv

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// A place is that of a change in the log, with eight bytes of its key. Keys
// share long beginnings, and what tells them apart lies far apart in memory;
// nearly all can be told by these bytes.
type place struct {
	head uint64
	at   int
}

// order returns the places of the last change of each key, in the order of the
// keys.
func (p *pending) order() []place {
	places := p.last()
	p.look(places, 0)
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.head, b.head) })
	for rest := places; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(q place) bool { return q.head != rest[0].head })
		if n < 0 {
			n = len(rest)
		}
		p.orderAlike(rest[:n])
		rest = rest[n:]
	}
	return places
}

// last returns the places of the last change of each key.
func (p *pending) last() []place {
	overwritten := make([]bool, p.log.n)
	for at := range p.log.n {
		if before := p.log.at(at).before; before != none {
			overwritten[before] = true
		}
	}
	places := make([]place, 0, p.index.keys)
	for at := range p.log.n {
		if !overwritten[at] {
			places = append(places, place{at: at})
		}
	}
	return places
}

// orderAlike puts places in order whose keys begin alike.
func (p *pending) orderAlike(places []place) {
	p.look(places, p.shared(places))
	slices.SortFunc(places, func(a, b place) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return bytes.Compare(p.log.at(a.at).Key, p.log.at(b.at).Key)
	})
}

// shared is the number of bytes that all keys begin with.
func (p *pending) shared(places []place) int {
	beginning := p.log.at(places[0].at).Key
	for _, q := range places[1:] {
		key := p.log.at(q.at).Key
		for !bytes.HasPrefix(key, beginning) {
			beginning = beginning[:len(beginning)-1]
		}
	}
	return len(beginning)
}

// look takes the heads of the keys from an offset on. What lies beyond the end
// of a key counts as zeros: such heads order keys rightly, or are the same.
func (p *pending) look(places []place, from int) {
	for i := range places {
		var head [8]byte
		if key := p.log.at(places[i].at).Key; from < len(key) {
			copy(head[:], key[from:])
		}
		places[i].head = binary.BigEndian.Uint64(head[:])
	}
}
