package diskstore

import (
	"context"
	"sync"
	"time"
)

// failures says when removals that failed are tried again.
type failures struct {
	mu    sync.Mutex
	all   int       // ever
	count int       // since nothing was left to be tried again
	err   error     // of the last one
	last  time.Time // when that was
}

// The first retry in the background comes after firstRetry; each further one
// after twice as long, up to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all++
	f.count, f.err, f.last = f.count+1, err, time.Now()
}

func (f *failures) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

// clear notes that nothing is left to be tried again, unless something has
// failed beside since there were so many failures in total.
func (f *failures) clear(total int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == total {
		f.count, f.err = 0, nil
	}
}

// current is the last error, if it stands.
func (f *failures) current() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// pause is how long to leave the disk alone after so many failures.
func pause(count int) time.Duration {
	if count == 0 {
		return 0
	}
	return min(firstRetry<<min(count-1, 10), lastRetry)
}

// pause is how long to wait from a failure to the next attempt; zero means that
// nothing has failed.
func (f *failures) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pause(f.count)
}

// due reports whether an Update is to try again what has failed. The first one
// is, and later ones ever more rarely: it keeps them waiting.
func (f *failures) due() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count > 0 && time.Since(f.last) >= pause(f.count-1)
}

// A background is the goroutine that removes the files of garbage.
type background struct {
	// signal holds one signal at most: the work itself is in the marks.
	signal chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}
}

// startBackground begins with what is marked already.
func (s *Store) startBackground() {
	ctx, cancel := context.WithCancel(context.Background())
	s.background = &background{signal: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{})}
	s.background.wake()
	go func() {
		defer close(s.background.ended)
		s.removeInBackground(ctx)
	}()
}

// wake says that there is something to do.
func (b *background) wake() {
	select {
	case b.signal <- struct{}{}:
	default: // it has not begun with the last one
	}
}

// stop ends the goroutine, which leaves what it has not removed.
func (b *background) stop() {
	b.cancel()
	<-b.ended
}

// removeInBackground removes garbage whenever there is a signal, until the
// context ends. While something cannot be removed it goes by the clock instead,
// so that a broken disk is not kept busy with failures.
func (s *Store) removeInBackground(ctx context.Context) {
	for {
		signal, retry := s.background.signal, (<-chan time.Time)(nil)
		if wait := s.failures.pause(); wait > 0 {
			signal, retry = nil, time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-signal:
		case <-retry:
		}
		_ = s.removeGarbage(ctx) // is noted
	}
}
