package imagestore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/jettison-oci/jettison/internal/record"
)

// The codec, for tests of it.
var (
	EncodeImage   = encodeImage
	DecodeImage   = decodeImage
	EncodeLayer   = encodeLayer
	DecodeLayer   = decodeLayer
	EncodeContent = encodeContent
	DecodeContent = decodeContent
)

// Reseal returns value with the version and the checksum put right, so that
// its fields are looked at whatever they are.
func Reseal(key, value []byte) []byte {
	const header = 5
	if len(value) < header {
		return value
	}
	sealed := bytes.Clone(value)
	sealed[0] = record.Version
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(key, table), table, sealed[header:])
	binary.BigEndian.PutUint32(sealed[1:], sum)
	return sealed
}
