package diskstore

import "io"

const (
	smallSize  = 32 << 10  // bytes of content that is hashed and written in turn
	blockSize  = 256 << 10 // bytes that are read at once of what is larger
	blockCount = 4         // of them in memory at a time
)

// copyBoth copies r to file and to hash, which takes all, and returns the
// number of bytes. Hashing takes about as long as reading and writing together,
// so what is large is hashed beside that.
func copyBoth(file, hash io.Writer, r io.Reader) (int64, error) {
	first := make([]byte, smallSize)
	n, end, err := readBlock(r, first)
	if err != nil {
		return 0, err
	}
	_, _ = hash.Write(first[:n])
	if _, err := file.Write(first[:n]); err != nil || end {
		return int64(n), err
	}
	h := startHasher(hash)
	defer h.wait()
	rest, err := h.copy(file, r)
	return int64(n) + rest, err
}

// A hasher hashes blocks in a goroutine of its own.
type hasher struct {
	free, full chan []byte
	done       chan struct{}
}

func startHasher(hash io.Writer) *hasher {
	h := &hasher{
		free: make(chan []byte, blockCount),
		full: make(chan []byte, blockCount),
		done: make(chan struct{}),
	}
	for range blockCount {
		h.free <- nil
	}
	go func() {
		defer close(h.done)
		for block := range h.full {
			_, _ = hash.Write(block)
			h.free <- block
		}
	}()
	return h
}

// copy copies r to file. It hands over each block to be hashed before it writes
// it: neither changes it.
func (h *hasher) copy(file io.Writer, r io.Reader) (total int64, err error) {
	for end := false; !end; {
		block := <-h.free
		if block == nil {
			block = make([]byte, blockSize)
		}
		var n int
		if n, end, err = readBlock(r, block[:blockSize]); err != nil {
			return total, err
		}
		h.full <- block[:n]
		if _, err := file.Write(block[:n]); err != nil {
			return total, err
		}
		total += int64(n)
	}
	return total, nil
}

// wait ends the hasher when all blocks are hashed.
func (h *hasher) wait() {
	close(h.full)
	<-h.done
}

// readBlock fills the block from r, and says whether r has ended. It is
// io.ReadFull, but the error is that of r.
func readBlock(r io.Reader, block []byte) (n int, end bool, err error) {
	for n < len(block) {
		more, err := r.Read(block[n:])
		n += more
		switch {
		case err == io.EOF:
			return n, true, nil
		case err != nil:
			return n, false, err
		}
	}
	return n, false, nil
}
