package etcdkv

import (
	"bytes"
	"context"
	"sort"
	"strings"

	"github.com/tidwall/btree"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/kv"
)

// Every read goes over the network, and a prune asks for a few keys of each image,
// in an order of its own. So what is read is read in pages, from the key that was
// asked for on, and kept until the transaction ends: as of one revision it stays
// true. Pages grow with the number of questions.

// pages are those of one snapshot, none of which overlap.
type pages struct {
	tree  *btree.BTreeG[page]
	kinds map[string]*kind
	bytes int
}

// A page is all the entries of a range of names.
type page struct {
	from, to string // without to
	pairs    []*mvccpb.KeyValue
}

// A kind is what was read of the entries whose keys are alike up to their first
// slash. Entries of one kind are about as large, and asked for together.
type kind struct {
	end                    string // of the names
	reads, entries, volume int    // volume in bytes
}

// The sizes of pages: the entries of the first one of a kind and of the largest; by
// how much the next is larger, in the same scan, and for each read of the kind; the
// bytes that one is meant to have, and that all of a snapshot are kept for.
const (
	firstPage  = 8
	largePage  = 4096
	byScan     = 8
	byRead     = 4
	pageVolume = 1 << 20
	keptVolume = 64 << 20
)

func newPages() pages {
	less := func(a, b page) bool { return a.from < b.from }
	return pages{tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true}), kinds: map[string]*kind{}}
}

// kind returns the kind of a key, whose entries have names that begin with all.
func (p *pages) kind(all string, key string) *kind {
	name := key[:strings.IndexByte(key, '/')+1]
	k := p.kinds[name]
	if k == nil {
		k = &kind{end: end(all + name)}
		p.kinds[name] = k
	}
	return k
}

// limit is how many entries the next page of the kind should have.
func (k *kind) limit(least int) int {
	k.reads++
	limit := max(firstPage, least, byRead*k.reads)
	if k.entries > 0 {
		limit = min(limit, 1+pageVolume/(1+k.volume/k.entries))
	}
	return min(limit, largePage)
}

// find returns the page that a name lies in; if there is none, where the next page
// begins, or "".
func (p *pages) find(name string) (found page, ok bool, next string) {
	p.tree.Descend(page{from: name}, func(at page) bool {
		found, ok = at, name < at.to
		return false
	})
	if ok {
		return found, true, ""
	}
	p.tree.Ascend(page{from: name}, func(at page) bool {
		next = at.from
		return false
	})
	return page{}, false, next
}

// keep keeps a page, and forgets all others when they have become too many.
func (p *pages) keep(k *kind, read page) {
	volume := 0
	for _, pair := range read.pairs {
		volume += len(pair.Key) + len(pair.Value)
	}
	k.entries, k.volume = k.entries+len(read.pairs), k.volume+volume
	if p.bytes += volume; p.bytes > keptVolume {
		p.tree.Clear()
		p.bytes = volume
	}
	p.tree.Set(read)
}

// page returns the page that the name of an entry lies in. One that is read has so
// many entries at least, unless they end before or are large.
func (s *snapshot) page(ctx context.Context, name string, least int) (page, error) {
	found, ok, next := s.ahead.find(name)
	if ok {
		return found, nil
	}
	all := s.db.keys.entry(nil)
	k := s.ahead.kind(all, name[len(all):])
	read := page{from: name, to: k.end}
	if next != "" && next < read.to {
		read.to = next
	}
	resp, err := s.read(ctx, name, clientv3.WithRange(read.to), clientv3.WithLimit(int64(k.limit(least))))
	if err != nil {
		return page{}, err
	}
	if read.pairs = resp.Kvs; resp.More {
		read.to = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
	s.ahead.keep(k, read)
	return read, nil
}

// after returns the pairs of a page from a name on.
func (p page) after(name string) []*mvccpb.KeyValue {
	return p.pairs[sort.Search(len(p.pairs), func(i int) bool { return string(p.pairs[i].Key) >= name }):]
}

// get returns the value of an entry, or [kv.ErrNotFound].
func (s *snapshot) get(ctx context.Context, key []byte) ([]byte, error) {
	name := s.db.keys.entry(key)
	p, err := s.page(ctx, name, 1)
	if err != nil {
		return nil, err
	}
	if rest := p.after(name); len(rest) > 0 && string(rest[0].Key) == name {
		return rest[0].Value, nil
	}
	return nil, kv.ErrNotFound
}

// walk passes on the entries whose keys begin with prefix, in order, until yield
// returns false.
func (s *snapshot) walk(ctx context.Context, prefix []byte, yield func(kv.Entry) bool) error {
	name := s.db.keys.entry(prefix)
	below, last := []byte(name), end(name)
	for least := 1; name < last; least = min(byScan*least, largePage) {
		p, err := s.page(ctx, name, least)
		if err != nil {
			return err
		}
		for _, pair := range p.after(name) {
			if !bytes.HasPrefix(pair.Key, below) {
				return nil
			}
			if !yield(kv.Entry{Key: s.db.keys.entryOf(pair.Key), Value: pair.Value}) {
				return nil
			}
		}
		name = p.to
	}
	return nil
}
