package transfer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/internal/class"
)

// Unless a load has a limit of its own, a compressed archive may unpack to
// freeSize, and beyond that to maxRatio times the bytes that were read. Real
// images come to 10 times; what is made to fill a disk comes to 1,000.
const (
	freeSize = 4 << 30
	maxRatio = 200
)

// TooLargeError says that an archive unpacks to more than is allowed (see
// [LoadOptions.MaxSize]). Its class is InvalidArgument.
type TooLargeError struct {
	// Limit is the number of bytes that were allowed.
	Limit int64
}

// Error names the limit and how to change it.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("has more than %d bytes when it is unpacked, which is the limit: raise the maximum size", e.Limit)
}

// InvalidParameter marks the error as of class InvalidArgument.
func (e *TooLargeError) InvalidParameter() {}

// Is makes the error match the sentinel of its class.
func (e *TooLargeError) Is(target error) bool { return target == class.InvalidArgument }

// stream is what is known about an archive that is read from start to end.
type stream struct {
	path string // names it in errors
	size int64  // bytes, or -1 when nobody knows
	keep LoadOptions
}

// openStream unpacks an archive to a temporary file and opens that.
func openStream(ctx context.Context, in *diskstore.Ingest, r io.Reader, s stream) (source, error) {
	file, err := in.Temp()
	if err != nil {
		return nil, err
	}
	if err := spool(ctx, file, r, s); err != nil {
		return nil, err
	}
	return openTar(ctx, file, s.path, func() error { return nil }) // the ingest takes the file away
}

// spool writes what r holds, unpacked, to file.
func spool(ctx context.Context, file *os.File, r io.Reader, s stream) error {
	counted := newMeter(ctx, r, s.keep.progress("archive", s.size))
	err := unpackTo(ctx, file, counted, s.keep)
	if err != nil && counted.err != nil { // the reader's error, not the archive's
		err = class.Wrap(class.Unavailable, counted.err)
	}
	return located(s.path, "", err)
}

// unpackTo writes what r holds, however compressed, to w.
func unpackTo(ctx context.Context, w io.Writer, r *meter, opts LoadOptions) error {
	buffered := bufio.NewReaderSize(r, bufferSize)
	kind, err := sniff(buffered)
	if err != nil {
		return err
	}
	unpacked, err := unpack(buffered, kind)
	if err != nil {
		return err
	}
	defer func() { _ = unpacked.Close() }()
	limited := &limiter{w: w, limit: func() int64 { return opts.maxSize(kind, r.done) }}
	_, err = io.Copy(limited, newMeter(ctx, unpacked, func(int64) {}))
	return err
}

// maxSize is how many bytes may come out of an archive of which read bytes
// were read.
func (o LoadOptions) maxSize(kind compression, read int64) int64 {
	switch {
	case o.MaxSize > 0:
		return o.MaxSize
	case o.MaxSize < 0 || kind == plain:
		return math.MaxInt64
	default:
		return max(freeSize, maxRatio*read)
	}
}

// A limiter is a writer that takes no more than a limit, which may grow.
type limiter struct {
	w     io.Writer
	limit func() int64
	done  int64
}

func (l *limiter) Write(p []byte) (int, error) {
	if limit := l.limit(); int64(len(p)) > limit-l.done {
		return 0, &TooLargeError{Limit: limit}
	}
	n, err := l.w.Write(p)
	l.done += int64(n)
	return n, err
}
