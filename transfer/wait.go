package transfer

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"
)

// openPipe opens a named pipe for reading, which waits for who writes to it.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	opened := make(chan pipe, 1)
	go func() {
		file, err := os.Open(path)
		opened <- pipe{file, err}
	}()
	select {
	case p := <-opened:
		return p.file, p.err
	case <-ctx.Done():
		go giveUp(path, opened)
		return nil, ctx.Err()
	}
}

// pipe is what came of opening one.
type pipe struct {
	file *os.File
	err  error
}

// giveUp ends the opening of a pipe for reading, by opening it for writing: who
// waits there would otherwise take what is meant for the next reader. A pipe
// that is gone cannot be opened; who waits for that waits for ever, and takes
// nothing from anybody.
func giveUp(path string, opened <-chan pipe) {
	const attempts, pause = 100, 10 * time.Millisecond
	for range attempts {
		other, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			_ = other.Close() // nothing was written
		}
		select {
		case p := <-opened:
			_ = p.file.Close() // nothing was read; no file, no harm
			return
		case <-time.After(pause):
		}
	}
}

// A patient reader waits for the reader beneath it, but not beyond its context.
// A Read beneath that does not end with the context is left behind.
type patient struct {
	ctx  context.Context //nolint:containedctx // lives within one call
	r    io.Reader
	buf  []byte
	rest []byte // what was read of buf and not passed on
	err  error  // comes after rest, and for ever
}

func newPatient(ctx context.Context, r io.Reader) io.Reader {
	if ctx.Done() == nil {
		return r
	}
	return &patient{ctx: ctx, r: r, buf: make([]byte, bufferSize)}
}

func (p *patient) Read(b []byte) (int, error) {
	if len(p.rest) == 0 && p.err == nil {
		p.fill()
	}
	if len(p.rest) == 0 {
		return 0, p.err
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// fill reads once into buf.
func (p *patient) fill() {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := p.r.Read(p.buf)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		p.rest, p.err = p.buf[:got.n], got.err
	case <-p.ctx.Done():
		p.err = p.ctx.Err()
		if wake(p.r) {
			<-done
			calm(p.r)
		}
	}
}

// wake ends a Read under way, where that is possible: in a file that the system
// can wait for, such as a pipe. It reports whether it did.
func wake(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && file.SetReadDeadline(time.Unix(1, 0)) == nil
}

// calm lets a file that was woken be read again.
func calm(r io.Reader) {
	if file, ok := r.(*os.File); ok {
		_ = file.SetReadDeadline(time.Time{}) // it could be set, so it can be taken back
	}
}

// A patient writer waits for the writer beneath it, but not beyond its context.
// A Write beneath that does not end with the context is left behind.
type patientWriter struct {
	ctx context.Context //nolint:containedctx // lives within one call
	w   io.Writer
	buf []byte // what is being written; never touched again once left behind
	err error  // for ever
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	p.buf = append(p.buf[:0], b...)
	done := make(chan written, 1)
	go func() {
		n, err := p.w.Write(p.buf)
		done <- written{n, err}
	}()
	select {
	case got := <-done:
		p.err = got.err
		return got.n, got.err
	case <-p.ctx.Done():
		p.err = p.ctx.Err()
		return 0, p.err
	}
}

// written is what came of a Write.
type written struct {
	n   int
	err error
}
