package boltkv

import (
	"encoding/binary"
	"hash/fnv"
	"io"

	"github.com/pkg/errors"
)

// What bbolt writes at the beginning of a file: two pages about itself. A commit
// writes the one whose turn it is, and last of all.
const (
	pageHeader   = 16 // bytes, before what a page is about
	metaLength   = 64 // bytes, the checksum being the last 8
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	smallestPage = 1 << 10 // that bbolt looks for
	largestPage  = 16 << 20
)

// A state says which commit was the last one to a file.
type state struct {
	txid uint64
	// size is that of the file's part which is in use, in bytes.
	size int64
}

// readState returns the state that the valid page with the later commit tells
// of, and false when there is none. A page that is just being written is not
// valid, for its checksum is wrong.
func readState(file io.ReaderAt) (state, bool, error) {
	first, pageSize, ok, err := readMeta(file, 0)
	if err != nil {
		return state{}, false, err
	}
	smallest, largest := pageSize, pageSize
	if !ok { // where the second one begins is not known then
		smallest, largest = smallestPage, largestPage
	}
	for at := smallest; at <= largest; at *= 2 {
		second, _, valid, err := readMeta(file, at)
		switch {
		case err != nil:
			return state{}, false, err
		case valid && (!ok || second.txid > first.txid):
			return second, true, nil
		}
	}
	return first, ok, nil
}

// readMeta returns what the page at some place says, and the size of pages; and
// whether it is valid.
func readMeta(file io.ReaderAt, at int64) (s state, pageSize int64, valid bool, err error) {
	var page [pageHeader + metaLength]byte
	if n, err := file.ReadAt(page[:], at); n < len(page) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return s, 0, false, err
	}
	meta, order := page[pageHeader:], binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(meta[:56]) // a hash takes all
	if order.Uint32(meta) != metaMagic || order.Uint32(meta[4:]) != metaVersion || order.Uint64(meta[56:]) != sum.Sum64() {
		return s, 0, false, nil
	}
	pageSize = int64(order.Uint32(meta[8:]))
	s = state{txid: order.Uint64(meta[48:]), size: int64(order.Uint64(meta[40:])) * pageSize} //nolint:gosec // bbolt's own
	return s, pageSize, pageSize >= smallestPage && pageSize <= largestPage && s.size > 0, nil
}
