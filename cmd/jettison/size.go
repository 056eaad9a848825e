package main

import (
	"math"

	"github.com/docker/go-units"
	"github.com/pkg/errors"
)

// A byteSize is a number of bytes as a flag. Units are powers of 1024, as in
// the flag of the same name of docker builder prune: 10GB is 10 * 1024^3.
type byteSize struct {
	bytes int64
	text  string
}

// String is the size as given.
func (s *byteSize) String() string { return s.text }

// Set reads a size: a number and a unit, as in 512, 100k, 1.5GB or 2GiB.
func (s *byteSize) Set(text string) error {
	n, err := units.RAMInBytes(text)
	switch {
	case err != nil:
		return errors.New("not a size: want a number and a unit, as in 20GB")
	case n < 0, n == math.MaxInt64: // the conversion has overflowed, to either on some machine
		return errors.New("too large")
	}
	s.bytes, s.text = n, text
	return nil
}

// Type is what the help calls the value.
func (s *byteSize) Type() string { return "size" }
