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

// A state is that of a file after a commit.
type state struct {
	txid     uint64 // the number of the commit
	pages    int64  // in use
	pageSize int64  // in bytes
	// page is what the file's page about the commit says.
	page [pageHeader + metaLength]byte
}

// size is that of the file's part which is in use, in bytes.
func (s state) size() int64 { return s.pages * s.pageSize }

// write makes a copy of the file, in which later commits may have left traces,
// tell of this one alone. Its own page may have been overwritten before it was
// copied.
func (s state) write(file io.WriterAt) error {
	for id := range int64(2) {
		binary.NativeEndian.PutUint64(s.page[:], uint64(id)) //nolint:gosec // 0 or 1
		if _, err := file.WriteAt(s.page[:], id*s.pageSize); err != nil {
			return err
		}
	}
	return nil
}

// readState returns the state that the valid page with the later commit tells
// of, and false when there is none. A page that is just being written is not
// valid, for its checksum is wrong.
func readState(file io.ReaderAt) (state, bool, error) {
	first, ok, err := readMeta(file, 0)
	if err != nil {
		return state{}, false, err
	}
	smallest, largest := first.pageSize, first.pageSize
	if !ok { // where the second one begins is not known then
		smallest, largest = smallestPage, largestPage
	}
	for at := smallest; at <= largest; at *= 2 {
		second, valid, err := readMeta(file, at)
		switch {
		case err != nil:
			return state{}, false, err
		case valid && (!ok || second.txid > first.txid):
			return second, true, nil
		}
	}
	return first, ok, nil
}

// readMeta returns what the page at some place says, and whether it is valid.
func readMeta(file io.ReaderAt, at int64) (s state, valid bool, err error) {
	if n, err := file.ReadAt(s.page[:], at); n < len(s.page) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return state{}, false, err
	}
	meta, order := s.page[pageHeader:], binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(meta[:56]) // a hash takes all
	if order.Uint32(meta) != metaMagic || order.Uint32(meta[4:]) != metaVersion || order.Uint64(meta[56:]) != sum.Sum64() {
		return state{}, false, nil
	}
	s.pageSize, s.pages, s.txid = int64(order.Uint32(meta[8:])), int64(order.Uint64(meta[40:])), order.Uint64(meta[48:]) //nolint:gosec // bbolt's own
	return s, s.pageSize >= smallestPage && s.pageSize <= largestPage && s.pages > 0, nil
}
