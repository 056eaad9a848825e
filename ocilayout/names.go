package ocilayout

import (
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// names are the entries of index.json while they are being changed, found by
// reference and by target.
type names struct {
	entries []entry
	dropped []bool
	byRef   map[string][]int
	byBlob  map[digest.Digest][]int
}

func newNames(idx *index) *names {
	n := &names{byRef: make(map[string][]int), byBlob: make(map[digest.Digest][]int)}
	for _, e := range idx.entries {
		n.add(e)
	}
	return n
}

func (n *names) add(e entry) {
	at := len(n.entries)
	n.entries, n.dropped = append(n.entries, e), append(n.dropped, false)
	n.byBlob[e.desc.Digest] = append(n.byBlob[e.desc.Digest], at)
	if e.ref != nil {
		n.byRef[e.ref.String()] = append(n.byRef[e.ref.String()], at)
	}
}

// live returns the entries that are left, in order.
func (n *names) live() []entry {
	var all []entry
	for i, e := range n.entries {
		if !n.dropped[i] {
			all = append(all, e)
		}
	}
	return all
}

// find returns the entry that a reference means: of several with one name the
// first, as skopeo has it.
func (n *names) find(ref string) (entry, bool) {
	at := n.byRef[ref]
	if len(at) == 0 {
		return entry{}, false
	}
	return n.entries[at[0]], true
}

// of returns the entries for a blob.
func (n *names) of(blob digest.Digest) []entry {
	var all []entry
	for _, at := range n.byBlob[blob] {
		all = append(all, n.entries[at])
	}
	return all
}

// references returns what names the blob. An entry whose name is taken by
// another blob before it does not count.
func (n *names) references(blob digest.Digest) []reference.Named {
	var refs []reference.Named
	for _, at := range n.byBlob[blob] {
		if ref := n.entries[at].ref; ref != nil && n.byRef[ref.String()][0] == at {
			refs = append(refs, ref)
		}
	}
	return refs
}

// untag takes the name from the entries that a reference means. An entry that
// is the last of its blob stays, without a name: the blob is still there.
func (n *names) untag(ref string) error {
	e, _ := n.find(ref)
	blob := e.desc.Digest
	for _, at := range slices.Clone(n.byRef[ref]) {
		if n.entries[at].desc.Digest != blob {
			continue
		}
		if len(n.byBlob[blob]) > 1 {
			n.drop(at)
			continue
		}
		unnamed, err := n.entries[at].named(nil)
		if err != nil {
			return err
		}
		n.forget(at)
		n.entries[at] = unnamed
	}
	return nil
}

// tag gives a blob one more name: to an entry that has none, or to a copy of
// one.
func (n *names) tag(blob digest.Digest, name map[string]string) error {
	at := n.byBlob[blob][0]
	for _, i := range n.byBlob[blob] {
		if n.entries[i].name == "" {
			at = i
			break
		}
	}
	named, err := n.entries[at].named(name)
	if err != nil {
		return err
	}
	if n.entries[at].name != "" {
		n.add(named)
		return nil
	}
	n.entries[at] = named
	n.byRef[named.ref.String()] = append(n.byRef[named.ref.String()], at)
	return nil
}

// remove drops every entry for a blob.
func (n *names) remove(blob digest.Digest) {
	for _, at := range slices.Clone(n.byBlob[blob]) {
		n.drop(at)
	}
}

// replace puts other entries in the place of those for a blob.
func (n *names) replace(blob digest.Digest, change func(entry) (entry, error)) error {
	for _, at := range slices.Clone(n.byBlob[blob]) {
		changed, err := change(n.entries[at])
		if err != nil {
			return err
		}
		n.entries[at] = changed
		n.byBlob[changed.desc.Digest] = append(n.byBlob[changed.desc.Digest], at)
	}
	delete(n.byBlob, blob)
	return nil
}

func (n *names) drop(at int) {
	n.forget(at)
	n.dropped[at] = true
	blob := n.entries[at].desc.Digest
	n.byBlob[blob] = without(n.byBlob[blob], at)
}

// forget makes an entry nameless.
func (n *names) forget(at int) {
	if ref := n.entries[at].ref; ref != nil {
		n.byRef[ref.String()] = without(n.byRef[ref.String()], at)
	}
}

// without takes an entry out of a list. Whoever drops many drops the first of the
// list each time: nothing is moved for that.
func without(list []int, at int) []int {
	switch i := slices.Index(list, at); {
	case i < 0:
		return list
	case i == 0:
		return list[1:]
	default:
		return slices.Delete(list, i, i+1)
	}
}
