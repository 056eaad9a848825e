package record

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/internal/class"
)

// A Reader reads the fields of a record in the order in which they were written.
// It is a value, so that reading a record allocates none. After the first error
// every read returns a zero value, and [Reader.Close] returns that error: fields
// can be read one after another without looking.
type Reader struct {
	key     []byte
	rest    []byte
	err     error
	version byte
}

// Read checks the record stored under key and returns a Reader of its fields.
// What is read is copied out of value.
func Read(key, value []byte) Reader { return ReadUpTo(key, value, Version) }

// ReadUpTo is Read for a kind of record of which this version is the newest.
func ReadUpTo(key, value []byte, newest byte) Reader {
	r := Reader{key: key}
	switch {
	case len(value) < header:
		r.damaged("too short")
	case value[0] > newest:
		r.err = class.Errorf(class.Internal,
			"key %q: record of format %d, but this program knows only those up to %d; use a newer one", key, value[0], newest)
	case value[0] == 0:
		r.damaged("no format version")
	case checksum(key, value[header:]) != binary.BigEndian.Uint32(value[1:header]):
		r.damaged("wrong checksum")
	default:
		r.rest, r.version = value[header:], value[0]
	}
	return r
}

// Version is the format version of the record; zero for one that is damaged.
func (r *Reader) Version() byte { return r.version }

// Close returns the error of the reads, or one if fields are left. Errors are
// of class Internal and name the key and what to do (rule E3).
func (r *Reader) Close() error {
	if r.err == nil && len(r.rest) > 0 {
		r.damaged("bytes after the last field")
	}
	return r.err
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.take(n) {
		return 0
	}
	return v
}

// Int reads a number that may be negative.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.rest)
	if !r.take(n) {
		return 0
	}
	return v
}

// Count reads the number of elements that follow. Each takes a byte at least,
// so a number beyond what is left is damage.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.damaged("length beyond the end")
		return 0
	}
	return int(n)
}

// String reads a text.
func (r *Reader) String() string {
	return string(r.bytes(r.Count()))
}

// Strings reads a list of texts; nil for an empty one.
func (r *Reader) Strings() []string {
	n := r.Count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.String())
	}
	return list
}

// Map reads a map of texts; nil for an empty one.
func (r *Reader) Map() map[string]string {
	n := r.Count()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := r.String()
		m[k] = r.String()
	}
	return m
}

// Time reads a moment, in UTC.
func (r *Reader) Time() time.Time {
	sec, nsec := r.Int(), r.Uint()
	if nsec >= uint64(time.Second) {
		r.damaged("time out of range")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// Digest reads a digest.
func (r *Reader) Digest() digest.Digest {
	kind := r.bytes(1)
	if len(kind) == 0 || kind[0] == noDigest {
		return ""
	}
	if kind[0] == textDigest {
		return digest.Digest(r.String())
	}
	known := algorithms()
	if int(kind[0]) > len(known) {
		r.damaged("unknown digest algorithm")
		return ""
	}
	alg := known[kind[0]-1]
	var buf [len("sha512:") + 2*64]byte
	text := append(buf[:0], alg.prefix...)
	return digest.Digest(hex.AppendEncode(text, r.bytes(alg.size)))
}

// bytes takes the next n bytes, or none after an error.
func (r *Reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.damaged("cut off")
	}
	if r.err != nil {
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// take drops the n bytes of a varint; n is not positive when it is malformed.
func (r *Reader) take(n int) bool {
	if n <= 0 {
		r.damaged("malformed number")
		return false
	}
	r.rest = r.rest[n:]
	return true
}

// damaged notes the first error.
func (r *Reader) damaged(what string) {
	if r.err == nil {
		r.err = Damaged(r.key, what)
	}
	r.rest = nil
}

// Damaged is the error that says what is wrong with the entry under key and
// what to do, a [*DamageError].
func Damaged(key []byte, what string) error {
	return &DamageError{Key: string(key), What: what}
}

// A DamageError says that one record cannot be understood; others may. Its
// class is Internal (rule E3).
type DamageError struct {
	// Key is the key of the record.
	Key string
	// What is wrong with it.
	What string
}

// Error names the key, what is wrong with its record and what to do.
func (e *DamageError) Error() string {
	return fmt.Sprintf("key %q: damaged: %s; replace or delete what it describes, or restore the store from a copy", e.Key, e.What)
}

// System marks the error as of class Internal.
func (e *DamageError) System() {}

// Is makes the error match the sentinel of its class.
func (e *DamageError) Is(target error) bool { return target == class.Internal }
