// Package record is the form in which the stores write their values: compact,
// versioned and guarded against damage.
//
// A record is one byte of format version, four bytes of checksum, big endian,
// and then its fields one after another without names. The checksum is the
// CRC-32C of the key and the fields, so that a value that got under another
// key is noticed like one that changed. Lengths and numbers are varints as in
// encoding/binary; a digest of the usual algorithms takes its raw bytes and
// one more.
package record

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// Version is the format version of a record, unless its kind has a newer one of
// its own: see [Writer.SealAs] and [ReadUpTo]. It is counted by itself, and not
// with the format of the store, which says which keys there are.
const Version = 1

// header is the number of bytes before the fields.
const header = 5

// How a digest begins.
const (
	noDigest   = 0
	textDigest = 255
)

// algorithms are those whose digests are written as raw bytes; the first byte
// of such a digest is its place here, from 1.
func algorithms() [3]algorithm {
	return [3]algorithm{
		{prefix: "sha256:", size: 32},
		{prefix: "sha384:", size: 48},
		{prefix: "sha512:", size: 64},
	}
}

type algorithm struct {
	prefix string // with the colon
	size   int    // bytes of a digest
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func checksum(key, fields []byte) uint32 {
	table := castagnoli()
	return crc32.Update(crc32.Checksum(key, table), table, fields)
}

// A Writer builds a record field by field.
type Writer struct {
	buf []byte
}

// NewWriter returns a Writer of an empty record.
func NewWriter() *Writer {
	return &Writer{buf: make([]byte, header, 128)}
}

// Uint writes a number.
func (w *Writer) Uint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }

// Int writes a number that may be negative.
func (w *Writer) Int(v int64) { w.buf = binary.AppendVarint(w.buf, v) }

// Count writes the number of elements that follow.
func (w *Writer) Count(n int) { w.Uint(uint64(max(n, 0))) }

// String writes a text.
func (w *Writer) String(s string) {
	w.Count(len(s))
	w.buf = append(w.buf, s...)
}

// Strings writes a list of texts.
func (w *Writer) Strings(list []string) {
	w.Count(len(list))
	for _, s := range list {
		w.String(s)
	}
}

// Map writes a map of texts, sorted by key.
func (w *Writer) Map(m map[string]string) {
	w.Count(len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.String(k)
		w.String(m[k])
	}
}

// Time writes a moment to the nanosecond. Its location is not kept.
func (w *Writer) Time(t time.Time) {
	w.Int(t.Unix())
	w.Uint(uint64(t.Nanosecond()))
}

// Digest writes a digest, which may be empty or malformed: it is read back as
// it is.
func (w *Writer) Digest(d digest.Digest) {
	if d == "" {
		w.buf = append(w.buf, noDigest)
		return
	}
	for i, alg := range algorithms() {
		if raw, ok := alg.appendRaw(append(w.buf, byte(i+1)), string(d)); ok {
			w.buf = raw
			return
		}
	}
	w.buf = append(w.buf, textDigest)
	w.String(string(d))
}

// Seal returns the record, to be stored under key. The Writer must not be used
// after it.
func (w *Writer) Seal(key []byte) []byte { return w.SealAs(key, Version) }

// SealAs is Seal for a kind of record that has come to a version of its own.
func (w *Writer) SealAs(key []byte, version byte) []byte {
	w.buf[0] = version
	binary.BigEndian.PutUint32(w.buf[1:], checksum(key, w.buf[header:]))
	return w.buf
}

// appendRaw appends the bytes of d, if it is a digest of this algorithm in its
// only form: all its digits, in lower case.
func (a algorithm) appendRaw(dst []byte, d string) ([]byte, bool) {
	if len(d) != len(a.prefix)+2*a.size || d[:len(a.prefix)] != a.prefix {
		return nil, false
	}
	for i := len(a.prefix); i < len(d); i += 2 {
		hi, okHi := nibble(d[i])
		lo, okLo := nibble(d[i+1])
		if !okHi || !okLo {
			return nil, false
		}
		dst = append(dst, hi<<4|lo)
	}
	return dst, true
}

// nibble is the value of a lower-case hex digit.
func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	default:
		return 0, false
	}
}
